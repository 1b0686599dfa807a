// Package batch makes one batch write of HubSpot contacts and finds one answer for each of its inputs.
//
// Guarantee: every input has exactly one answer; Accepted has HubSpot's word behind it, by trace id, id or address. One
// bad input of a hundred costs at most 15 requests, also when HubSpot refuses the batch whole and names nobody. What no
// request with the input answered is Unasked, and then Write returns the error that says why.
//
// It plans nothing, remembers nothing between two calls and decides nothing about a refusal.
//
// Design: a refused batch is halved, and parted at the property that the refusal names where that leaves the smaller
// part. Asking each input by itself was rejected: a rule of the portal refuses all hundred alike, which after a few is
// known.
//
// A request without an answer is not taken apart here: what it did is not known, so its inputs are read before they are
// written again, by whoever plans (push/blame.go), in tenths. The first one costs its neighbours the client's whole
// time-out, since an answer may still come; a shorter one would make unknown outcomes of slow answers.
package batch

import (
	"context"
	"slices"
	"strings"
	"time"

	"leadsync/internal/hubspot"
)

// Writer is the part of the HubSpot client that writes batches.
type Writer interface {
	BatchCreate(ctx context.Context, in []hubspot.Input) (*hubspot.BatchResult, error)
	BatchUpdate(ctx context.Context, in []hubspot.Input) (*hubspot.BatchResult, error)
	BatchUpsert(ctx context.Context, idProperty string, in []hubspot.Input) (*hubspot.BatchResult, error)
}

// Op says what is written.
type Op struct {
	Name       string // hubspot.OpBatchCreate, OpBatchUpdate or OpBatchUpsert
	IDProperty string // of an upsert: what Input.ID is a value of
	// Done is told of each request when it has ended, before the next one begins; nil = nobody is.
	Done func(Request)
}

// addressProperty is what a created contact is known by.
const addressProperty = "email"

// Item is one input.
type Item struct {
	Input hubspot.Input // with a trace id of its own
	// Carries reports whether a refusal that names the property may be about this input; nil = its properties do.
	Carries func(property string) bool
	// LookedUp: HubSpot was asked who has the address, so that a conflict is no news.
	LookedUp bool
}

func (i *Item) carries(property string) bool {
	if i.Carries != nil {
		return i.Carries(property)
	}
	_, has := i.Input.Properties[property]
	return has
}

// Kind is what was answered about an input.
type Kind int

// The kinds.
const (
	Unasked  Kind = iota // no request with the input was answered
	Accepted             // named in results
	Refused              // refused with a reason of its own
	Conflict             // another contact has the address, or another unique value
	Missing              // HubSpot has no such contact
	Unnamed              // a 2xx that names it nowhere
	HeldBack             // not asked for, since those of its batch that were asked were refused alike
)

// Answer is what was answered about one input.
type Answer struct {
	Kind    Kind
	Contact *hubspot.Contact // of Accepted; it belongs to the caller
	Refusal Refusal          // of the others
	// Whole: a conflict of the whole batch, which may be another input's.
	Whole bool
}

// Request is one request of a Write that has ended.
type Request struct {
	Items  []int // by index
	Began  time.Time
	Result *hubspot.BatchResult // nil after an error
	Err    error
	// Final: the error is not the inputs' own, and ends the Write.
	Final bool
	// Answers are those of all items so far.
	Answers []Answer
}

// maxAlike is how many inputs of a batch are asked one by one when each gets the same refusal and none was accepted.
const maxAlike = 4

// Write writes the items, at most hubspot.MaxBatch of them, and gives an answer for each. The error is trouble that is
// not an input's own; items without an answer are then Unasked.
func Write(ctx context.Context, hub Writer, op Op, items []Item) ([]Answer, error) {
	w := &write{ctx: ctx, hub: hub, op: op, items: items, answers: make([]Answer, len(items))}
	all := make([]int, len(items))
	for i := range all {
		all[i] = i
	}
	err := w.send(all)
	return w.answers, err
}

// write is a Write under way.
type write struct {
	ctx     context.Context
	hub     Writer
	op      Op
	items   []Item
	answers []Answer
	// refusals counts refusals in a row of single inputs with the same key while nothing was accepted: a batch in which
	// everything is refused is not taken apart down to its last input.
	key      Key
	refusals int
	accepted int
}

// send writes items in one request, and takes them apart when they are refused whole.
func (w *write) send(items []int) error {
	in := make([]hubspot.Input, len(items))
	for i, n := range items {
		in[i] = w.items[n].Input
	}
	r := Request{Items: items, Began: time.Now(), Answers: w.answers}
	switch w.op.Name {
	case hubspot.OpBatchCreate:
		r.Result, r.Err = w.hub.BatchCreate(w.ctx, in)
	case hubspot.OpBatchUpdate:
		r.Result, r.Err = w.hub.BatchUpdate(w.ctx, in)
	default:
		r.Result, r.Err = w.hub.BatchUpsert(w.ctx, w.op.IDProperty, in)
	}
	class := hubspot.Classify(r.Err)
	ours := class == hubspot.ClassInvalid || class == hubspot.ClassConflict || class == hubspot.ClassNotFound
	if r.Err == nil {
		w.match(items, r.Result)
	}
	r.Final = r.Err != nil && !ours
	if w.op.Done != nil {
		w.op.Done(r)
	}
	if ours {
		return w.refusedWhole(items, RefusalOf(r.Err), class)
	}
	return r.Err
}

// refusedWhole files the refusal of a single input, and halves a batch. Inputs that carry a property the refusal names
// are parted from the others first, when they are the smaller half.
func (w *write) refusedWhole(items []int, r Refusal, class hubspot.Class) error {
	if len(items) == 1 {
		w.refusedAlone(items[0], r, class)
		return nil
	}
	known := func(n int) bool { return w.items[n].LookedUp }
	if class == hubspot.ClassConflict && w.op.Name != hubspot.OpBatchUpdate && !all(items, known) {
		for _, n := range items { // one read by address tells which of them exist
			w.answers[n] = Answer{Kind: Conflict, Whole: true, Refusal: Refusal{Category: r.Category, CorrelationID: r.CorrelationID}}
		}
		return nil
	}
	first, second := w.halves(items, r)
	if err := w.sendHalf(first, r); err != nil {
		return err
	}
	if len(second) > 1 && all(first, func(n int) bool { return w.answers[n].Kind == Accepted }) {
		return w.refusedWhole(second, r, class) // what HubSpot does not take is among them, so they need not be asked together
	}
	return w.sendHalf(second, r)
}

func all(items []int, ok func(int) bool) bool {
	return !slices.ContainsFunc(items, func(n int) bool { return !ok(n) })
}

func (w *write) refusedAlone(n int, r Refusal, class hubspot.Class) {
	kind := Refused
	switch {
	case class == hubspot.ClassConflict:
		kind = Conflict
	case class == hubspot.ClassNotFound && w.op.Name == hubspot.OpBatchUpdate:
		kind = Missing
	default:
		if w.key != r.Key() {
			w.key, w.refusals = r.Key(), 0
		}
		w.refusals++
	}
	w.answers[n] = Answer{Kind: kind, Refusal: r}
}

// sendHalf sends a half of a refused batch, unless each input that was asked alone is refused alike.
func (w *write) sendHalf(half []int, r Refusal) error {
	if w.accepted > 0 || w.refusals < maxAlike {
		return w.send(half)
	}
	detail := hubspot.Detail{Code: w.key.Code}
	if w.key.Property != "" {
		detail.Properties = []string{w.key.Property}
	}
	for _, n := range half {
		w.answers[n] = Answer{Kind: HeldBack, Refusal: Refusal{Category: r.Category, Details: []hubspot.Detail{detail}}}
	}
	return nil
}

// halves parts a refused batch.
func (w *write) halves(items []int, r Refusal) (first, second []int) {
	for _, n := range items {
		named := slices.ContainsFunc(r.Details, func(d hubspot.Detail) bool { return slices.ContainsFunc(d.Properties, w.items[n].carries) })
		if named {
			first = append(first, n)
		} else {
			second = append(second, n)
		}
	}
	if len(first) == 0 || len(first) > len(items)/2 {
		return items[:len(items)/2], items[len(items)/2:]
	}
	return first, second
}

// match files a 2xx answer: inputs by trace id, then id, then lower-case address. What is named nowhere stays open.
func (w *write) match(items []int, res *hubspot.BatchResult) {
	byTrace, byKey := make(map[string]int, len(items)), make(map[string]int, len(items))
	for _, n := range items {
		w.answers[n] = Answer{Kind: Unnamed, Refusal: Refusal{CorrelationID: res.CorrelationID, Status: res.Status}}
		in := &w.items[n].Input
		byTrace[in.TraceID] = n
		if w.op.Name == hubspot.OpBatchCreate {
			byKey[in.Properties[addressProperty]] = n
		} else {
			byKey[strings.ToLower(in.ID)] = n
		}
	}
	for i := range res.Results {
		c := &res.Results[i]
		n, known := byTrace[c.TraceID]
		if !known {
			n, known = byKey[w.resultKey(c)]
		}
		if !known || c.ID == "" || w.op.Name == hubspot.OpBatchUpdate && string(c.ID) != w.items[n].Input.ID {
			continue
		}
		w.answers[n] = Answer{Kind: Accepted, Contact: c}
		w.accepted++
	}
	for i := range res.Errors {
		e := &res.Errors[i]
		a := answerTo(e, res)
		for _, t := range e.TraceIDs {
			if n, known := byTrace[t]; known && w.answers[n].Kind != Accepted {
				w.answers[n] = a
			}
		}
		if len(e.TraceIDs) > 0 {
			continue
		}
		for _, id := range e.IDs {
			if n, known := byKey[strings.ToLower(id)]; known && w.answers[n].Kind != Accepted {
				w.answers[n] = a
			}
		}
	}
}

// answerTo is the answer that an error inside a 2xx gives.
func answerTo(e *hubspot.BatchError, res *hubspot.BatchResult) Answer {
	a := Answer{Kind: Refused, Refusal: Refusal{Category: e.Category, Status: res.Status, CorrelationID: res.CorrelationID, Details: e.Details,
		Existing: e.ExistingID}}
	switch {
	case e.Category == "CONFLICT" || e.ExistingID != "":
		a.Kind = Conflict
	case e.Category == "OBJECT_NOT_FOUND":
		a.Kind = Missing
	}
	return a
}

// resultKey is what a result is matched by when HubSpot does not echo the trace id.
func (w *write) resultKey(c *hubspot.Contact) string {
	property := addressProperty
	switch w.op.Name {
	case hubspot.OpBatchUpdate:
		return string(c.ID)
	case hubspot.OpBatchUpsert:
		property = w.op.IDProperty
	}
	if v := c.Properties[property]; v != nil {
		return strings.ToLower(*v)
	}
	return ""
}
