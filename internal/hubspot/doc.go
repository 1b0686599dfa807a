// Package hubspot speaks HubSpot's contact and subscription API: typed requests, typed answers, typed refusals, and a
// limiter that keeps all of them under HubSpot's own limits.
//
// Guarantees. A request that could not be understood as answered is never reported as done: an answer that is cut,
// garbled, HTML or too large is an *Error whose outcome is unknown. What cannot be read is never taken for the end of a
// scan, an opt-out is never done without an answer that shows it, and SUBSCRIBED is sent by OptIn alone, with its
// evidence. No error text and no log line holds a message text of HubSpot, an address, a token or a property value:
// only codes, property names, categories and correlation ids survive decoding. The limiter never starts more requests
// in a window than it may, and no request starts while a hold lasts.
//
// It does not retry (package backoff and the callers do), does not decide what a refusal means for a row (package push
// does), and does not obtain tokens (TokenSource does); it replays a request once after a 401 when there is a newer
// token.
//
// Design. The client takes a finished *http.Client and the whole chain of user agent, bearer, limiter and base
// transport is an http.RoundTripper, so that tests and the demo can put a handler at its end without a socket.
// HubSpot's published client libraries were rejected: they drop the errors of partly refused batches, retry by
// themselves, and put the message texts, which repeat people's values, into their errors. Bodies are decoded loosely,
// because HubSpot promises no error field (https://developers.hubspot.com/docs/api-reference/error-handling, read
// 2026-11-22) and its own description files disagree about several types.
package hubspot
