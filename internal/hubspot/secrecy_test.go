package hubspot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"leadsync/internal/lead"
)

// The canaries: a token of HubSpot's form, which consists of nothing but word characters, an address, and a value.
const (
	canaryToken   = "pat-na1-ca9a7100-1111-4222-8333-444455556666"
	canaryAddress = "canary.person@example.com"
	canaryValue   = "Canary Value <42>"
)

// checkSecret looks for the canaries in a text that leaves the package.
func checkSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, bad := range []string{canaryToken, canaryAddress, "canary.person", canaryValue, "Canary"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s holds %q: %s", what, bad, text)
			return
		}
	}
}

// canaryCalls are all operations, with canaries wherever an input may hold a person.
func canaryCalls(c *Client) map[string]func(context.Context) (*BatchResult, error) {
	in := []Input{
		{ID: canaryAddress, TraceID: "r1", Properties: map[string]string{"email": canaryAddress, "firstname": canaryValue, "note": canaryToken}},
		{ID: "51", TraceID: "r2", Properties: map[string]string{"firstname": canaryValue}},
	}
	calls := map[string]func(context.Context) (*BatchResult, error){
		"misuse": func(ctx context.Context) (*BatchResult, error) { return c.BatchUpdate(ctx, append(in, in...)) },
		"odd id": func(ctx context.Context) (*BatchResult, error) {
			_, err := c.Contact(ctx, canaryAddress, nil, false)
			return nil, err
		},
		"no address": func(ctx context.Context) (*BatchResult, error) {
			_, err := c.OptOutOfAll(ctx, canaryValue, 0)
			return nil, err
		},
		"archive by address": func(ctx context.Context) (*BatchResult, error) {
			return nil, c.BatchArchive(ctx, []lead.ContactID{canaryAddress})
		},
	}
	for op, call := range everyOp(c, canaryAddress, canaryValue+canaryToken) {
		calls[op] = func(ctx context.Context) (*BatchResult, error) { return nil, call(ctx) }
	}
	calls[OpBatchRead] = func(ctx context.Context) (*BatchResult, error) {
		return c.BatchRead(ctx, ReadRequest{IDProperty: "email", IDs: []string{canaryAddress}})
	}
	calls[OpBatchCreate] = func(ctx context.Context) (*BatchResult, error) { return c.BatchCreate(ctx, in) }
	calls[OpBatchUpdate] = func(ctx context.Context) (*BatchResult, error) { return c.BatchUpdate(ctx, in) }
	calls[OpBatchUpsert] = func(ctx context.Context) (*BatchResult, error) { return c.BatchUpsert(ctx, "email", in) }
	calls[OpBatchOptOut] = func(ctx context.Context) (*BatchResult, error) {
		got, err := c.BatchOptOut(ctx, []OptOutInput{{canaryAddress, 7}}, Basis{Explanation: canaryValue})
		if err != nil {
			return nil, err
		}
		return &BatchResult{Errors: got.Errors, CorrelationID: got.CorrelationID}, nil
	}
	return calls
}

// watch makes a client with the canary token whose log is kept.
func watch(rt http.RoundTripper, baseURL string) (*Client, *bytes.Buffer) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return New(Config{BaseURL: baseURL, UserAgent: "leadsync/test", Log: logger, HTTP: &http.Client{Transport: NewTransport(TransportConfig{
		Base: rt, Tokens: held(canaryToken), Limiter: NewLimiter(LimiterConfig{Log: logger})})}}), &log
}

// Whatever HubSpot, or something that answers in its place, puts into an answer: no token, address or value of a person
// comes out in an error, in the log, or in what push writes into a row's note.
func TestG9NoSecretNorPersonInErrorsAndLogs(t *testing.T) {
	for _, canary := range []string{canaryToken, "Bearer " + canaryToken, "x." + canaryToken + ":y", canaryAddress, canaryValue, `[{"error":"` + canaryValue + `","name":"` + canaryToken + `"}]`} {
		quoted := fmt.Sprintf("%q", canary)
		inner := strings.ReplaceAll(`Property values were not valid: [{"message":C,"error":C,"name":C}]`, "C", quoted)
		bodies := []string{
			strings.ReplaceAll(`{"status":C,"message":C,"category":C,"subCategory":C,"correlationId":C,"policyName":C,"errorType":C,"id":C,"links":{"scopes":C},
				"context":{"ids":[C],"id":C,"objectWriteTraceId":[C],C:[C]},
				"errors":[{"message":C,"code":C,"subCategory":C,"in":C,"context":{"propertyName":[C],"requiredGranularScopes":[C],"requiredScopes":[C]}}]}`, "C", quoted),
			fmt.Sprintf(`{"category":"VALIDATION_ERROR","message":%q}`, inner),
			fmt.Sprintf(`{"category":"CONFLICT","message":%q}`, canary+" Existing ID: 5 "+canary),
			strings.ReplaceAll(`{"status":"COMPLETE","results":[{"id":C,"properties":{"email":C,C:C},"createdAt":C,"objectWriteTraceId":C}],
				"errors":[{"category":C,"message":C,"context":{"ids":[C],"objectWriteTraceId":[C]},"errors":[{"code":C,"context":{"propertyName":[C]}}]}]}`, "C", quoted),
			strings.ReplaceAll(`{"status":C,"total":1,"paging":{"next":{"after":C}},"results":[{"id":C,"name":C,"subscriberIdString":C,"subscriptionId":C,"status":C,"wideStatusType":C,
				"setStatusSuccessReason":C,"source":C,"statuses":[{"subscriberIdString":C,"status":C}]}],
				"errors":[{"category":C,"subCategory":C,"message":C,"context":{C:[C]},"errors":[{"code":C,"subCategory":C,"context":{"propertyName":[C]}}]}]}`, "C", quoted),
			`{"results":[{"id":` + quoted, // cut
			`{"portalId":` + quoted + `}`, `{"results":[{"name":` + quoted + `,"hasUniqueValue":` + quoted + `}]}`,
			"<html><title>" + canary + "</title>", canary, quoted, "[" + quoted + "]", "",
		}
		headers := []string{"Content-Type", canary, "Location", "https://example.net/" + canary, "Date", canary}
		for _, name := range []string{headerCorrelation, headerRetryAfter, headerInterval, headerMax, headerRemaining, headerDaily, headerDailyRemaining, "X-Hubspot-Auth-Failure"} {
			headers = append(headers, name, canary)
		}
		for _, body := range bodies {
			for _, status := range []int{200, 201, 207, 302, 400, 401, 403, 404, 409, 413, 414, 423, 429, 451, 477, 500, 502, 503, 524} {
				c, log := watch(roundTrip(func(req *http.Request) (*http.Response, error) {
					if req.Body != nil {
						_, _ = io.Copy(io.Discard, req.Body)
					}
					return reply(req, status, body, headers...), nil
				}), "https://api.hubapi.com")
				for name, call := range canaryCalls(c) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // a hold after 429 is not sat out
					result, err := call(ctx)
					cancel()
					for e := err; e != nil; e = errors.Unwrap(e) {
						checkSecret(t, fmt.Sprintf("%s, status %d: error", name, status), fmt.Sprintf("%v %+v %s", e, e, e))
					}
					if result != nil {
						for _, e := range result.Errors {
							checkSecret(t, "row error", fmt.Sprint(result.CorrelationID, e.Category, e.ExistingID, e.Details))
						}
					}
				}
				checkSecret(t, "log", log.String())
				if t.Failed() {
					return
				}
			}
		}
	}
}

// An address in a path comes out of no error of the network, however deep net/http and a proxy have wrapped it.
func TestG9AddressInAPath(t *testing.T) {
	c, log := watch(roundTrip(func(req *http.Request) (*http.Response, error) {
		inner := &url.Error{Op: "parse", URL: req.URL.String(), Err: errors.New("broken")}
		return nil, &url.Error{Op: "Post", URL: req.URL.String(), Err: fmt.Errorf("proxy: %w", inner)}
	}), "https://api.hubapi.com")
	for op, call := range canaryCalls(c) {
		_, err := call(t.Context())
		for e := err; e != nil; e = errors.Unwrap(e) {
			checkSecret(t, op, fmt.Sprintf("%v %+v", e, e))
		}
		if err == nil {
			t.Errorf("%s: no error", op)
		}
	}
	checkSecret(t, "log", log.String())
	if !strings.Contains(log.String(), OpOptOutOfAll) {
		t.Error("the requests were not logged")
	}
}

// The same for answers that net/http itself cannot read; its error texts quote them.
func TestG9BrokenProtocol(t *testing.T) {
	for _, canary := range []string{canaryToken, canaryAddress, canaryValue} {
		for _, answer := range []string{
			canary,
			"HTTP/1.1 " + canary + "\r\n\r\n",
			"HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"results\":[\"" + canary,
			"HTTP/1.1 307 Moved\r\nLocation: http://%zz" + canary + "\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 60\r\n\r\n" + strings.Repeat(canary, 5)[:60],
			"HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat(canary, 4000) + "\r\n\r\n",
		} {
			base, err := NewBase(BaseConfig{})
			if err != nil {
				t.Fatal(err)
			}
			c, log := watch(base, "http://"+answerAlways(t, answer))
			for name, call := range canaryCalls(c) {
				_, err := call(t.Context())
				if err == nil {
					t.Errorf("%s: no error for %q", name, answer)
					continue
				}
				checkSecret(t, name+": error", err.Error())
				if strings.Contains(err.Error(), "127.0.0.1") && strings.Contains(err.Error(), "/crm/") {
					t.Errorf("%s: the error names the whole address: %v", name, err)
				}
			}
			checkSecret(t, "log", log.String())
			base.CloseIdleConnections()
		}
	}
}

// answerAlways serves one text on every connection and closes it.
func answerAlways(t *testing.T, text string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 64<<10))
			_, _ = io.WriteString(conn, text)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}
