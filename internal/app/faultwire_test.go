package app

import (
	"io"
	"maps"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/pull"
	"leadsync/internal/push"
)

// operations are the requests that push makes: method and path as they go over the wire, the simulator's word for them,
// and the method of push.HubSpot or pull.HubSpot. Whatever else the wire sees fails the fault table: a new operation
// gets its row here, and with it all its cells.
var operations = []struct{ request, op, method string }{
	{"GET /account-info/VERSION/details", "account", "Account"},
	{"GET /crm/properties/VERSION/contacts", "properties", "ContactProperties"},
	{"POST /crm/objects/VERSION/contacts/batch/create", "batch_create", "BatchCreate"},
	{"POST /crm/objects/VERSION/contacts/batch/update", "batch_update", "BatchUpdate"},
	{"POST /crm/objects/VERSION/contacts/batch/upsert", "batch_upsert", "BatchUpsert"},
	{"POST /crm/objects/VERSION/contacts/batch/read", "batch_read", "BatchRead"},
	{"GET /crm/objects/VERSION/contacts/ID", "get", "Contact"},
	{"POST /crm/objects/VERSION/contacts/batch/archive", "batch_archive", "BatchArchive"},
	{"POST /crm/objects/VERSION/contacts/gdpr-delete", "gdpr_delete", "GDPRDelete"},
	{"POST /crm/objects/VERSION/contacts/search", "search", "Search"},
	{"GET /crm/objects/VERSION/contacts", "list", "List"},
	{"POST /communication-preferences/VERSION/statuses/ADDRESS/unsubscribe-all", "sub_all", "OptOutOfAll"},
	{"POST /communication-preferences/VERSION/statuses/batch/unsubscribe-all", "sub_batch_all", "BatchOptOutOfAll"},
	{"POST /communication-preferences/VERSION/statuses/ADDRESS", "sub_write", "OptOut"},
	{"POST /communication-preferences/VERSION/statuses/batch/write", "sub_batch_write", "BatchOptOut"},
	{"GET /communication-preferences/VERSION/definitions", "sub_definitions", "SubscriptionDefinitions"},
	{"POST /oauth/VERSION/token", "token", ""}, // the client's transport does this by itself
}

var (
	versionInPath = regexp.MustCompile(`/\d{4}-\d{2}/`)
	idInPath      = regexp.MustCompile(`/\d+$`)
	addressInPath = regexp.MustCompile(`/[^/]+@[^/]+`)
	// elsewhere are methods that the scene need not come to: they read back what an answer did not prove, or belong to a
	// resubscribe, whose faults TestG7Resubscribe and TestG7OptOutAfterUnknownResubscribe make. Their requests may be seen
	// all the same.
	elsewhere = map[string]string{"OptedOutOfAll": "GET /communication-preferences/VERSION/statuses/ADDRESS/unsubscribe-all",
		"Statuses": "GET /communication-preferences/VERSION/statuses/ADDRESS", "OptIn": ""}
)

// operationOf is the simulator's word for a request; false when it is not registered.
func operationOf(r *http.Request) (string, bool) {
	request := r.Method + " " + idInPath.ReplaceAllString(versionInPath.ReplaceAllString(addressInPath.ReplaceAllString(r.URL.Path, "/ADDRESS"), "/VERSION/"), "/ID")
	for _, e := range elsewhere {
		if e == request {
			return "", true
		}
	}
	for _, o := range operations {
		if o.request == request {
			return o.op, true
		}
	}
	return request, false
}

// wire stands between the client and the simulator. It notes every operation, and adds the faults that the simulator,
// which is asked only after a connection is there, cannot make. Safe for concurrent use.
type wire struct {
	inner http.RoundTripper

	mu      sync.Mutex
	seen    map[string]bool
	strange map[string]bool // requests that are not registered
	op      string          // whose requests have the fault
	kind    string
	met     int
}

// wireKinds are the faults that are made here.
var wireKinds = []string{"refused", "503"}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	op, known := operationOf(r)
	w.mu.Lock()
	if op != "" {
		w.seen[op] = true
	}
	if !known {
		w.strange[op] = true
	}
	kind := ""
	if op == w.op && slices.Contains(wireKinds, w.kind) {
		kind = w.kind
		w.met++
	}
	w.mu.Unlock()
	switch kind {
	case "":
		return w.inner.RoundTrip(r)
	case "refused":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	body := `{"status":"error","message":"Service temporarily unavailable"}`
	return &http.Response{Status: kind, StatusCode: http.StatusServiceUnavailable, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
}

// nothingStrange fails the test when push sent what the table does not know.
func (w *wire) nothingStrange(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.strange) > 0 {
		t.Errorf("push sends requests that the fault table does not know: %v", slices.Sorted(maps.Keys(w.strange)))
	}
}

// breaks makes every request of the operation fail, until heals.
func (w *wire) breaks(t *testing.T, sim *hubspotsim.Sim, op, kind string) {
	t.Helper()
	w.mu.Lock()
	w.op, w.kind, w.met = op, kind, 0
	w.mu.Unlock()
	if !slices.Contains(wireKinds, kind) {
		must(t, sim.SetFaults(op+"="+kind))
	}
}

// hasMet tells whether a request met the fault.
func (w *wire) hasMet(sim *hubspotsim.Sim) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.met > 0 || len(sim.Stats().Faults) > 0
}

// heals takes the fault away and tells how many requests met it.
func (w *wire) heals(t *testing.T, sim *hubspotsim.Sim) (met int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.op, w.kind, met = "", "", w.met
	must(t, sim.SetFaults(""))
	for _, n := range sim.Stats().Faults {
		met += n
	}
	return met
}

// remoteKinds are all kinds of faults: the simulator's own, of which it knows itself, and those of the wire.
func remoteKinds(t *testing.T) []string {
	t.Helper()
	arguments := map[string]string{"drop": "drop:3", "late": "late:20s", "slow": "slow:3s", "477": "477:60"}
	var all []string
	for _, form := range hubspotsim.FaultKinds() {
		kind, _, _ := strings.Cut(form, "[")
		name, argument, _ := strings.Cut(kind, ":")
		if full, ok := arguments[name]; ok {
			kind = full
		} else if argument != "" {
			t.Fatalf("the simulator has a new kind of fault, %s: give it an argument here", form)
		}
		all = append(all, kind)
	}
	return append(all, wireKinds...)
}

// everyOperationRegistered holds the list of operations against the interface through which push speaks to HubSpot, and
// against what was really seen.
func everyOperationRegistered(t *testing.T, seen map[string]bool) {
	t.Helper()
	var methods []string
	listed := slices.Collect(maps.Keys(elsewhere))
	for _, uses := range []reflect.Type{reflect.TypeFor[push.HubSpot](), reflect.TypeFor[pull.HubSpot]()} {
		for m := range uses.Methods() {
			methods = append(methods, m.Name)
		}
	}
	for _, o := range operations {
		if o.method != "" {
			listed = append(listed, o.method)
		}
		if !seen[o.op] {
			t.Errorf("the scene never uses %s: the fault table would leave it out", o.op)
		}
	}
	slices.Sort(listed)
	slices.Sort(methods)
	methods = slices.Compact(methods)
	if !slices.Equal(methods, listed) {
		t.Errorf("push and pull use the methods %v of HubSpot, the fault table knows %v", methods, listed)
	}
}
