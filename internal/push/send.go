package push

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/ledger"
)

// refusal is what HubSpot said about a row it did not take: codes and property names, never its message text.
type refusal struct {
	category      string
	status        int
	correlationID string
	details       []hubspot.Detail
	existing      hubspot.ContactID // the contact in the way, when named
}

// key tells two refusals apart: code and property.
func (r refusal) key() breaker.Rule {
	for _, d := range r.details {
		k := breaker.Rule{Code: d.Code}
		if len(d.Properties) > 0 {
			k.Property = d.Properties[0]
		}
		if k != (breaker.Rule{}) {
			return k
		}
	}
	if r.category != "" {
		return breaker.Rule{Code: r.category}
	}
	return breaker.Rule{Code: strconv.Itoa(r.status)}
}

// sender sends one kind of batch write for one job and files each answer with its work.
type sender struct {
	w    *Worker
	ctx  context.Context
	kind op
	// refusals counts refusals in a row of single rows with the same key while nothing was accepted: a batch in which
	// everything is refused is not taken apart down to its last row.
	key      breaker.Rule
	refusals int
	accepted int
}

// maxAlike is how many rows of a batch are asked one by one when each gets the same refusal and none was accepted.
const maxAlike = 4

// send writes the works in one request, and takes the batch apart when it is refused whole without naming a row. It returns an
// error only for trouble that is not a row's own; the works without an answer are then left as unasked.
func (s *sender) send(works []*work) error {
	in := make([]hubspot.Input, len(works))
	for i, k := range works {
		in[i] = s.w.input(s.kind, k, i)
	}
	var res *hubspot.BatchResult
	var err error
	begun := s.w.now()
	switch s.kind {
	case opCreate:
		res, err = s.w.hub.BatchCreate(s.ctx, in)
	case opUpdate:
		res, err = s.w.hub.BatchUpdate(s.ctx, in)
	default:
		res, err = s.w.hub.BatchUpsert(s.ctx, s.w.table().IDProperty(), in)
	}
	if err == nil {
		s.w.breaker.WriteSucceeded(opNames[s.kind])
		s.match(works, in, res)
		s.w.tellAsked(opNames[s.kind], begun, res.Status, res.CorrelationID, nil, works, func(k *work) string { return k.answer.word() })
		return nil
	}
	s.w.tellAsked(opNames[s.kind], begun, 0, "", err, works, nil)
	switch hubspot.Classify(err) {
	case hubspot.ClassInvalid, hubspot.ClassConflict, hubspot.ClassNotFound:
		return s.refusedWhole(works, refusalOf(err), hubspot.Classify(err))
	}
	if hubspot.OutcomeUnknown(err) {
		for _, k := range works {
			if s.w.doubts(k); s.kind == opCreate {
				k.hint.tried = k.plan.addr
			}
		}
	}
	failedAll(works, err)
	if s.kind == opCreate && hubspot.OutcomeUnknown(err) {
		err = errors.Join(err, s.w.noteAsked(s.ctx, works, begun))
	}
	return err
}

func refusalOf(err error) refusal {
	var e *hubspot.Error
	if !errors.As(err, &e) {
		return refusal{}
	}
	return refusal{category: e.Category, status: e.Status, correlationID: e.CorrelationID, details: e.Details, existing: e.ExistingID}
}

// refusedWhole files the refusal of a single row, and halves a batch. Rows that carry a property the refusal names are parted from
// the others first, when they are the smaller half.
func (s *sender) refusedWhole(works []*work, r refusal, class hubspot.Class) error {
	if len(works) == 1 {
		k := works[0]
		k.answer = answer{kind: refused, refusal: r}
		switch {
		case class == hubspot.ClassConflict:
			k.answer.kind = conflict
		case class == hubspot.ClassNotFound && s.kind == opUpdate:
			k.answer.kind = missingContact
		default:
			if s.key != r.key() {
				s.key, s.refusals = r.key(), 0
			}
			s.refusals++
		}
		return nil
	}
	if class == hubspot.ClassConflict && s.kind != opUpdate && slices.ContainsFunc(works, func(k *work) bool { return !k.looked }) {
		for _, k := range works { // one read by address tells which of them exist
			k.answer = answer{kind: conflict, whole: true, refusal: refusal{category: r.category, correlationID: r.correlationID}}
		}
		return nil
	}
	first, second := halves(works, r)
	if err := s.sendHalf(first, r); err != nil {
		return err
	}
	if len(second) > 1 && !slices.ContainsFunc(first, func(k *work) bool { return k.answer.kind != accepted }) {
		return s.refusedWhole(second, r, class) // what HubSpot does not take is among them, so they need not be asked together
	}
	return s.sendHalf(second, r)
}

// sendHalf sends a half of a refused batch, unless each row that was asked alone is refused alike.
func (s *sender) sendHalf(half []*work, r refusal) error {
	if s.accepted > 0 || s.refusals < maxAlike {
		return s.send(half)
	}
	for _, k := range half {
		k.answer = answer{kind: heldBack, refusal: refusal{category: r.category, details: []hubspot.Detail{{Code: s.key.Code, Properties: nonEmpty(s.key.Property)}}}}
	}
	return nil
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// halves parts a refused batch.
func halves(works []*work, r refusal) (first, second []*work) {
	named := map[string]bool{}
	for _, d := range r.details {
		for _, p := range d.Properties {
			named[p] = true
		}
	}
	for _, k := range works {
		carries := false
		for p := range k.plan.diff.changes {
			carries = carries || named[p]
		}
		if carries {
			first = append(first, k)
		} else {
			second = append(second, k)
		}
	}
	if len(first) == 0 || len(first) > len(works)/2 {
		return works[:len(works)/2], works[len(works)/2:]
	}
	return first, second
}

// input builds one row of a batch write.
func (w *Worker) input(kind op, k *work, i int) hubspot.Input {
	in := hubspot.Input{TraceID: "r" + strconv.FormatInt(k.plan.all.rows[len(k.plan.all.rows)-1].id(), 10) + "-" + strconv.Itoa(i),
		Properties: make(map[string]string, len(k.plan.diff.changes)+2)}
	for p, c := range k.plan.diff.changes {
		if kind == opCreate && c.send == "" {
			continue // nothing to clear in a new contact
		}
		in.Properties[p] = c.send
	}
	switch kind {
	case opUpdate:
		in.ID = string(k.link.ContactID)
		if k.plan.diff.addr != nil {
			in.Properties[ledger.AddressField] = k.plan.diff.addr.send
		}
		if id := w.table().IDProperty(); id != "" && k.unmarked {
			in.Properties[id] = string(k.id)
		}
	case opCreate:
		in.Properties[ledger.AddressField] = k.plan.addr
	case opUpsert:
		in.ID = string(k.id)
		in.Properties[ledger.AddressField] = k.plan.addr
		in.Properties[w.table().IDProperty()] = string(k.id)
	}
	return in
}

// match files a 2xx answer: rows by trace id, then id, then lower-case address. What is named nowhere stays open.
func (s *sender) match(works []*work, in []hubspot.Input, res *hubspot.BatchResult) {
	byTrace := make(map[string]*work, len(works))
	byKey := make(map[string]*work, len(works))
	for i, k := range works {
		k.answer = answer{kind: unnamed, refusal: refusal{correlationID: res.CorrelationID, status: res.Status}}
		byTrace[in[i].TraceID] = k
		switch s.kind {
		case opCreate:
			byKey[k.plan.addr] = k
		default:
			byKey[strings.ToLower(in[i].ID)] = k
		}
	}
	for i := range res.Results {
		c := &res.Results[i]
		k := byTrace[c.TraceID]
		if k == nil {
			k = byKey[s.w.resultKey(s.kind, c)]
		}
		if k == nil || c.ID == "" || (s.kind == opUpdate && string(c.ID) != string(k.link.ContactID)) {
			continue
		}
		k.answer = answer{kind: accepted, contact: s.w.view(c)}
		s.accepted++
	}
	for _, e := range res.Errors {
		r := refusal{category: e.Category, status: res.Status, correlationID: res.CorrelationID, details: e.Details, existing: e.ExistingID}
		a := answer{kind: refused, refusal: r}
		switch {
		case e.Category == "CONFLICT" || e.ExistingID != "":
			a.kind = conflict
		case e.Category == "OBJECT_NOT_FOUND":
			a.kind = missingContact
		}
		for _, t := range e.TraceIDs {
			if k := byTrace[t]; k != nil && k.answer.kind != accepted {
				k.answer = a
			}
		}
		if len(e.TraceIDs) == 0 {
			for _, id := range e.IDs {
				if k := byKey[strings.ToLower(id)]; k != nil && k.answer.kind != accepted {
					k.answer = a
				}
			}
		}
	}
}

// resultKey is what a result is matched by when HubSpot does not echo the trace id.
func (w *Worker) resultKey(kind op, c *hubspot.Contact) string {
	property := ledger.AddressField
	switch kind {
	case opUpdate:
		return string(c.ID)
	case opUpsert:
		property = w.table().IDProperty()
	}
	if v := c.Properties[property]; v != nil {
		return strings.ToLower(*v)
	}
	return ""
}
