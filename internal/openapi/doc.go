// Package openapi holds HTTP exchanges with HubSpot against HubSpot's own OpenAPI documents. Tests wrap the transport
// under a client with Check: each request that passes and each answer that comes back is looked up in the documents and
// must fit.
//
// Guarantee: what Check lets pass is a path, method, query parameter, form field and JSON key that the documents name,
// with the types, required keys, formats and status that they name, but for the deviations of one table
// (deviations.go), each with what HubSpot really does and where that was read. No deviation is there in vain: a test
// leaves each out and wants a complaint.
//
// It is for tests alone: no product package may import it. It does not check rate-limit headers, limits of counts such
// as a hundred inputs, which the documents do not hold, or the paths of OAuth v1 and of v3, which they do not describe.
// Without LEADSYNC_OPENAPI_DIR, the folder of the documents as VERSION/NAME.json, nothing is checked, and the test's
// log says so in capitals.
//
// Design. The documents stay HubSpot's files as they are, outside of this repository; the deviations are applied to
// what was loaded. Patched copies were rejected: nobody could tell the patch from the original, nor read why. Objects
// with named keys are closed, in requests and in answers, although OpenAPI leaves them open: an open object lets every
// spelling mistake pass. The checks run in a RoundTripper and not in a proxy, so that they work inside a
// testing/synctest bubble.
package openapi
