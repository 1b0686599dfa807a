package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"leadsync/internal/batch"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
)

// portal is a HubSpot that refuses a batch with a bad input whole.
type portal struct {
	bad      func(hubspot.Input) error // what one input is refused with
	alone    bool                      // bad inputs are named in a 207 and the others are taken
	fails    func(request int) error   // in place of an answer
	rewrite  func(*hubspot.BatchResult)
	requests int
	written  []string
}

func (p *portal) answer(in []hubspot.Input) (*hubspot.BatchResult, error) {
	p.requests++
	if p.fails != nil {
		if err := p.fails(p.requests); err != nil {
			return nil, err
		}
	}
	res := &hubspot.BatchResult{Status: 200, CorrelationID: fmt.Sprint("request ", p.requests)}
	for _, x := range in {
		if err := p.refusal(x); err != nil {
			if !p.alone {
				return nil, err
			}
			r := batch.RefusalOf(err)
			res.Errors = append(res.Errors, hubspot.BatchError{Category: r.Category, Details: r.Details, ExistingID: r.Existing, TraceIDs: []string{x.TraceID}})
			continue
		}
		id := lead.ContactID(x.ID)
		if id == "" {
			id = lead.ContactID("9" + x.TraceID)
		}
		email := x.Properties["email"]
		res.Results = append(res.Results, hubspot.Contact{ID: id, TraceID: x.TraceID, Properties: map[string]*string{"email": &email}})
	}
	if p.rewrite != nil {
		p.rewrite(res)
	}
	for _, c := range res.Results {
		p.written = append(p.written, string(c.ID))
	}
	return res, nil
}

func (p *portal) refusal(x hubspot.Input) error {
	if p.bad == nil {
		return nil
	}
	return p.bad(x)
}

func (p *portal) BatchCreate(_ context.Context, in []hubspot.Input) (*hubspot.BatchResult, error) {
	return p.answer(in)
}
func (p *portal) BatchUpdate(_ context.Context, in []hubspot.Input) (*hubspot.BatchResult, error) {
	return p.answer(in)
}
func (p *portal) BatchUpsert(_ context.Context, _ string, in []hubspot.Input) (*hubspot.BatchResult, error) {
	return p.answer(in)
}

func items(n int) []batch.Item {
	all := make([]batch.Item, n)
	for i := range all {
		all[i].Input = hubspot.Input{TraceID: fmt.Sprint(i), ID: fmt.Sprint(9, i), Properties: map[string]string{"email": fmt.Sprintf("p%d@example.com", i)}}
	}
	return all
}

func kinds(answers []batch.Answer) map[batch.Kind]int {
	out := map[batch.Kind]int{}
	for _, a := range answers {
		out[a.Kind]++
	}
	return out
}

var (
	update  = batch.Op{Name: hubspot.OpBatchUpdate}
	create  = batch.Op{Name: hubspot.OpBatchCreate}
	invalid = &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 400, Category: "VALIDATION_ERROR"}
)

func refuse(err error, which ...int) func(hubspot.Input) error {
	return func(x hubspot.Input) error {
		if slices.ContainsFunc(which, func(n int) bool { return x.TraceID == fmt.Sprint(n) }) {
			return err
		}
		return nil
	}
}

// TestOneBadOfAHundred: wherever it stands and whether the refusal names a property or nothing, the others are written once each and it
// costs at most 15 requests.
func TestOneBadOfAHundred(t *testing.T) {
	named := &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 400, Details: []hubspot.Detail{{Code: "INVALID_OPTION", Properties: []string{"plan"}}}}
	most := 0
	for bad := range 100 {
		for _, err := range []error{invalid, named} {
			p := &portal{bad: refuse(err, bad)}
			in := items(100)
			if err == error(named) {
				in[bad].Input.Properties["plan"] = "x"
			}
			answers, failed := batch.Write(t.Context(), p, update, in)
			if got := kinds(answers); failed != nil || got[batch.Accepted] != 99 || answers[bad].Kind != batch.Refused {
				t.Fatalf("bad %d: %v, %v", bad, got, failed)
			}
			if slices.Sort(p.written); len(slices.Compact(p.written)) != 99 || p.requests > 15 || err == error(named) && p.requests > 3 {
				t.Errorf("bad %d: %d written in %d requests", bad, len(p.written), p.requests)
			}
			most = max(most, p.requests)
		}
	}
	t.Logf("%d requests at most", most)
}

// TestAllAlike: a rule that refuses a whole batch is known after a few, and the others are not asked.
func TestAllAlike(t *testing.T) {
	p := &portal{bad: func(hubspot.Input) error { return invalid }}
	answers, err := batch.Write(t.Context(), p, update, items(100))
	got := kinds(answers)
	if err != nil || p.requests > 15 || got[batch.Refused] != 4 || got[batch.HeldBack] != 96 {
		t.Errorf("%v in %d requests, %v", got, p.requests, err)
	}
	for i, a := range answers {
		if a.Refusal.Key() != (batch.Key{Code: "VALIDATION_ERROR"}) {
			t.Errorf("%d: %+v", i, a)
		}
	}
}

// TestAnswers: each kind of answer, in one request.
func TestAnswers(t *testing.T) {
	conflict := &hubspot.Error{Status: 409, Category: "CONFLICT", ExistingID: "77"}
	notThere := &hubspot.Error{Status: 404, Category: "OBJECT_NOT_FOUND"}
	p := &portal{alone: true, bad: func(x hubspot.Input) error {
		return map[string]error{"1": invalid, "2": conflict, "3": notThere}[x.TraceID]
	}, rewrite: func(res *hubspot.BatchResult) {
		res.Results = slices.DeleteFunc(res.Results, func(c hubspot.Contact) bool { return c.TraceID == "4" }) // named nowhere
		for i := range res.Results {
			switch c := &res.Results[i]; c.TraceID {
			case "5":
				c.TraceID = "" // known by its id
			case "6":
				c.ID = "12345" // another contact
			}
		}
	}}
	answers, err := batch.Write(t.Context(), p, update, items(7))
	if err != nil || p.requests != 1 {
		t.Fatal(err, p.requests)
	}
	for i, want := range []batch.Kind{batch.Accepted, batch.Refused, batch.Conflict, batch.Missing, batch.Unnamed, batch.Accepted, batch.Unnamed} {
		if a := answers[i]; a.Kind != want || (a.Kind == batch.Accepted) != (a.Contact != nil) || a.Kind != batch.Accepted && a.Refusal.CorrelationID == "" {
			t.Errorf("%d: %+v, want kind %d", i, a, want)
		}
	}
	if answers[2].Refusal.Existing != "77" {
		t.Errorf("the contact in the way is %q", answers[2].Refusal.Existing)
	}
}

// TestWholeRefusalOfOne: a request with one input says what the input is refused with.
func TestWholeRefusalOfOne(t *testing.T) {
	for _, tc := range []struct {
		op     batch.Op
		status int
		want   batch.Kind
	}{{update, 400, batch.Refused}, {update, 409, batch.Conflict}, {update, 404, batch.Missing}, {create, 404, batch.Refused}, {create, 409, batch.Conflict}} {
		p := &portal{bad: refuse(&hubspot.Error{Op: tc.op.Name, Status: tc.status}, 0)}
		answers, err := batch.Write(t.Context(), p, tc.op, items(1))
		if err != nil || answers[0].Kind != tc.want || answers[0].Whole || p.requests != 1 {
			t.Errorf("%s %d: %+v, %v, %d requests", tc.op.Name, tc.status, answers[0], err, p.requests)
		}
	}
}

// TestConflictOfAWholeCreate: addresses that nobody has asked for are asked before the batch is halved; those that were asked for are not.
func TestConflictOfAWholeCreate(t *testing.T) {
	conflict := &hubspot.Error{Op: hubspot.OpBatchCreate, Status: 409, Category: "CONFLICT"}
	for _, asked := range []bool{false, true} {
		p, in := &portal{bad: refuse(conflict, 3)}, items(10)
		for i := range in {
			in[i].LookedUp = asked
		}
		answers, err := batch.Write(t.Context(), p, create, in)
		got := kinds(answers)
		if err != nil || asked && (got[batch.Conflict] != 1 || answers[3].Whole) || !asked && (got[batch.Conflict] != 10 || !answers[0].Whole || p.requests != 1) {
			t.Errorf("asked is %v: %v in %d requests, %v", asked, got, p.requests, err)
		}
	}
}

// TestTroubleLeavesTheRestUnasked: what was answered before stays, and Done saw each request.
func TestTroubleLeavesTheRestUnasked(t *testing.T) {
	outage := &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 500, Sent: true}
	p := &portal{bad: refuse(invalid, 99), fails: func(n int) error {
		if n == 3 {
			return outage
		}
		return nil
	}}
	op, seen := update, []batch.Request{}
	op.Done = func(r batch.Request) { seen = append(seen, r) }
	answers, err := batch.Write(t.Context(), p, op, items(100))
	if got := kinds(answers); !errors.Is(err, outage) || got[batch.Accepted] != 50 || got[batch.Unasked] != 50 {
		t.Errorf("%v, %v", got, err)
	}
	if len(seen) != 3 || seen[0].Final || seen[1].Err != nil || !seen[2].Final || len(seen[0].Items) != 100 || len(seen[2].Items) != 25 {
		t.Errorf("%d requests were seen", len(seen))
	}
}

// TestHalves: a refused batch is parted at the property that the refusal names when that leaves the smaller part, else in the middle.
func TestHalves(t *testing.T) {
	refusal := func(property string) error {
		return &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 400, Details: []hubspot.Detail{{Code: "X", Properties: []string{property}}}}
	}
	for property, want := range map[string][]int{"rare": {10, 1, 9}, "email": {10, 5, 5}, "nowhere": {10, 5, 5}} {
		p, in := &portal{}, items(10)
		in[3].Input.Properties["rare"] = "x"
		p.fails = func(n int) error {
			if n == 1 {
				return refusal(property)
			}
			return nil
		}
		var sizes []int
		op := update
		op.Done = func(r batch.Request) { sizes = append(sizes, len(r.Items)) }
		p.bad = func(x hubspot.Input) error { return nil }
		if _, err := batch.Write(t.Context(), p, op, in); err != nil || sizes[0] != want[0] || sizes[1] != want[1] {
			t.Errorf("%s: requests of %v, want %v first; %v", property, sizes, want, err)
		}
	}
}

// TestKey: a refusal is known by the first code or property it names, else by its category, else by its status.
func TestKey(t *testing.T) {
	for _, tc := range []struct {
		r    batch.Refusal
		want batch.Key
	}{
		{batch.Refusal{Status: 400}, batch.Key{Code: "400"}},
		{batch.Refusal{Status: 400, Category: "C"}, batch.Key{Code: "C"}},
		{batch.Refusal{Category: "C", Details: []hubspot.Detail{{}, {Code: "X", Properties: []string{"a", "b"}}}}, batch.Key{Code: "X", Property: "a"}},
		{batch.Refusal{Details: []hubspot.Detail{{Properties: []string{"a"}}}}, batch.Key{Property: "a"}},
		{batch.RefusalOf(errors.New("x")), batch.Key{Code: "0"}},
	} {
		if got := tc.r.Key(); got != tc.want {
			t.Errorf("%+v: %+v", tc.r, got)
		}
	}
}

// One of three inputs is refused, and the refusal names nobody.
func ExampleWrite() {
	hub := &portal{bad: refuse(invalid, 1)}
	answers, err := batch.Write(context.Background(), hub, batch.Op{Name: hubspot.OpBatchUpdate}, items(3))
	for i, a := range answers {
		fmt.Println(i, a.Kind == batch.Accepted, a.Refusal.Status)
	}
	fmt.Println(err)
	// Output:
	// 0 true 0
	// 1 false 400
	// 2 true 0
	// <nil>
}
