package hubspotsim

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fault is one entry of the script: what happens to requests of an operation.
type fault struct {
	op    string
	kind  string
	arg   string
	wait  time.Duration // of slow, late, 477
	n     int           // of drop
	times int           // how often still; -1 = always
}

// faultOps are the operations a script can name. subscriptions is all of those on subscriptions, the sub_ ones are each
// of them. any is all there are, api all but the three of the token endpoints.
var faultOps = []string{
	"batch_create", "batch_upsert", "batch_update", "batch_read", "batch_archive", "create", "update", "get", "list", "archive", "merge",
	"gdpr_delete", "search", "properties", "account", "subscriptions", "token", "introspect", "revoke", "api", "any",
	opDefinitions, opStatuses, opStatus, opAllRead, opAll, opBatchRead, opBatchWrite, opBatchAll, opBatchAllRead,
}

// faultKinds are the kinds and whether each takes an argument: 0 no, 1 may, 2 must.
//
//	400 409                  refused without naming anything; 409:ID names an existing id; token=400:STATUS is one of tokenErrors
//	401 403 423 429 429daily as HubSpot words them
//	477[:SECONDS]            data-centre migration with Retry-After, 2 s unless told
//	500 502html 524          bare JSON, and pages of the edge
//	lost                     applied, then the connection ends without an answer
//	cut                      applied, then the connection ends in the middle of the body
//	hang                     not applied, no answer until the client gives up
//	late:DUR                 as hang, but applied after DUR
//	slow:DUR                 DUR longer than usual
//	empty200                 200 and no results, nothing applied
//	noids                    applied, results without ids
//	drop:N                   N rows appear nowhere; of these the first, third, ... are applied, the others not
var faultKinds = map[string]int{
	"400": 1, "401": 0, "403": 0, "409": 1, "423": 0, "429": 0, "429daily": 0, "477": 1, "500": 0, "502html": 0, "524": 0,
	"lost": 0, "hang": 0, "cut": 0, "late": 2, "slow": 2, "empty200": 0, "noids": 0, "drop": 2,
}

// parseFaults reads OP=KIND[:ARG][xN], comma separated. Without xN an entry holds until the script is replaced.
func parseFaults(spec string) ([]*fault, error) {
	var all []*fault
	var errs []error
	for entry := range strings.SplitSeq(spec, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		f, err := parseFault(entry)
		if err != nil {
			errs = append(errs, fmt.Errorf("read fault %q: %w", entry, err))
			continue
		}
		all = append(all, f)
	}
	return all, errors.Join(errs...)
}

func parseFault(entry string) (*fault, error) {
	op, kind, ok := strings.Cut(entry, "=")
	if !ok {
		return nil, errors.New("want OP=KIND[:ARG][xN]")
	}
	if !slices.Contains(faultOps, op) {
		return nil, fmt.Errorf("unknown operation; want one of %s", strings.Join(faultOps, " "))
	}
	f := &fault{op: op, times: -1}
	if i := strings.LastIndexByte(kind, 'x'); i > 0 {
		if n, err := strconv.Atoi(kind[i+1:]); err == nil {
			if n < 1 {
				return nil, errors.New("the count after x is at least 1")
			}
			f.times, kind = n, kind[:i]
		}
	}
	f.kind, f.arg, _ = strings.Cut(kind, ":")
	takes, ok := faultKinds[f.kind]
	switch {
	case !ok:
		return nil, fmt.Errorf("unknown kind %q; want one of %s", f.kind, strings.Join(FaultKinds(), " "))
	case f.arg == "" && takes == 2:
		return nil, fmt.Errorf("kind %s needs an argument, as %s", f.kind, kindForms[f.kind])
	case f.arg != "" && takes == 0:
		return nil, fmt.Errorf("kind %s takes no argument", f.kind)
	}
	return f, f.readArg()
}

// kindForms are the kinds with an argument, as a person writes them.
var kindForms = map[string]string{
	"400": "400[:STATUS]", "409": "409[:ID]", "477": "477[:SECONDS]", "late": "late:DURATION", "slow": "slow:DURATION", "drop": "drop:N",
}

// FaultOps are the operations that a script can name.
func FaultOps() []string { return slices.Clone(faultOps) }

// FaultKinds are the kinds that a script can name, each as a person writes it.
func FaultKinds() []string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(faultKinds)) {
		all = append(all, orText(kindForms[kind], kind))
	}
	return all
}

// CheckFaults says what is wrong with a script, entry by entry.
func CheckFaults(spec string) error {
	_, err := parseFaults(spec)
	return err
}

func (f *fault) readArg() (err error) {
	switch f.kind {
	case "400":
		if _, known := tokenErrors[f.arg]; f.arg != "" && (!known || !tokenOps[f.op]) {
			return fmt.Errorf("400 takes an argument with %s only, one of %s",
				strings.Join(slices.Sorted(maps.Keys(tokenOps)), " "), strings.Join(slices.Sorted(maps.Keys(tokenErrors)), " "))
		}
	case "late", "slow":
		f.wait, err = time.ParseDuration(f.arg)
	case "477":
		seconds := 2
		if f.arg != "" {
			seconds, err = strconv.Atoi(f.arg)
		}
		f.wait = time.Duration(seconds) * time.Second
	case "drop":
		f.n, err = strconv.Atoi(f.arg)
	case "409":
		if f.arg != "" {
			_, err = strconv.ParseInt(f.arg, 10, 64)
		}
	}
	if err != nil || f.wait < 0 || f.n < 0 {
		return fmt.Errorf("argument %q cannot be read, want %s", f.arg, kindForms[f.kind])
	}
	return nil
}

// SetFaults replaces the script; "" clears it. On an error nothing changes.
func (s *Sim) SetFaults(spec string) error {
	faults, err := parseFaults(spec)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
	return nil
}

// Inject adds to the script: entries that are there go first.
func (s *Sim) Inject(spec string) error {
	faults, err := parseFaults(spec)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
	return nil
}

// FaultsLeft is the script with what remains of it.
func (s *Sim) FaultsLeft() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []string
	for _, f := range s.faults {
		text := f.op + "=" + f.kind
		if f.arg != "" {
			text += ":" + f.arg
		}
		if f.times > 0 {
			text += "x" + itoa(f.times)
		}
		left = append(left, text)
	}
	return strings.Join(left, ",")
}

// fits says whether an entry is about an operation.
func (f *fault) fits(op string) bool {
	switch f.op {
	case "any", op:
		return true
	case "api":
		return !tokenOps[op]
	case "subscriptions":
		return consentScopes[op] != nil
	}
	return false
}

// nextFault is the first entry that fits the operation, used up by one, or a fault of kind "".
func (s *Sim) nextFault(op string) fault {
	for i, f := range s.faults {
		if !f.fits(op) {
			continue
		}
		got := *f
		if f.times > 0 {
			if f.times--; f.times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return got
	}
	return fault{}
}

// refusal is the answer of a fault that keeps a request from being done, or ok = false.
func (s *Sim) refusal(c *call, f fault) (r reply, ok bool) {
	switch f.kind {
	case "400":
		if f.arg != "" {
			return s.refuseToken(c, f.arg), true
		}
		return c.badRequest("Unable to process the request"), true
	case "401":
		return c.unauthorized(c.now), true
	case "403":
		return c.missingScopes(), true
	case "409":
		message := "Contact already exists"
		if f.arg != "" {
			message += ". Existing ID: " + f.arg
		}
		return c.refuse(http.StatusConflict, problem{Message: message, Category: categoryConflict}), true
	case "423":
		// A lock lasts 2 s: https://developers.hubspot.com/docs/api-reference/error-handling. The body is not documented.
		return c.refuse(http.StatusLocked, problem{Message: "The resource is locked"}), true
	case "429":
		if tokenOps[c.op] {
			return tokenLimited(), true
		}
		return s.limited(c, policyOf(c.op)), true
	case "429daily":
		return s.limited(c, policyDaily), true
	case "477":
		// Retry-After is in seconds, up to 24 h: https://developers.hubspot.com/docs/api-reference/error-handling
		r = c.refuse(477, problem{Message: "This account is being migrated between data centers"})
		r.header = http.Header{"Retry-After": {itoa(int(f.wait.Seconds()))}}
		return r, true
	case "500":
		return c.refuse(http.StatusInternalServerError, problem{Message: "internal error"}), true
	case "502html":
		return page(http.StatusBadGateway, "502 Bad Gateway"), true
	case "524":
		return page(524, "524: A timeout occurred"), true
	case "empty200":
		return c.emptyAnswer(), true
	}
	return reply{}, false
}
