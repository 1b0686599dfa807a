package push

import (
	"context"
	"errors"
	"strconv"
	"time"

	"leadsync/internal/batch"
	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/ledger"
)

// rule is what a refusal names, for the refusal breaker and for people.
func rule(r batch.Refusal) breaker.Rule { return breaker.Rule(r.Key()) }

// write sends one kind of batch write for the works and files each answer with its work. It returns an error only for
// trouble that is not a row's own; the works without an answer are then left as unasked.
func (w *Worker) write(ctx context.Context, kind op, works []*work) error {
	items := make([]batch.Item, len(works))
	for i, k := range works {
		items[i] = batch.Item{Input: w.input(kind, k, i), LookedUp: k.looked, Carries: func(property string) bool {
			_, carries := k.plan.diff.Changes[property]
			return carries
		}}
	}
	filed := make([]bool, len(works))
	var lost []*work // that were created, perhaps
	var began time.Time
	name := opNames[kind]
	answers, err := batch.Write(ctx, w.hub, batch.Op{Name: name, IDProperty: w.table().IDProperty(), Done: func(r batch.Request) {
		asked := make([]*work, len(r.Items))
		for i, n := range r.Items {
			asked[i] = works[n]
		}
		if r.Err == nil {
			w.breaker.WriteSucceeded(name)
			for i, n := range r.Items {
				asked[i].answer, filed[n] = w.answerOf(r.Answers[n]), true
			}
			w.tellAsked(name, r.Began, r.Result.Status, r.Result.CorrelationID, nil, asked, func(k *work) string { return k.answer.word() })
			return
		}
		w.tellAsked(name, r.Began, 0, "", r.Err, asked, nil)
		if !r.Final {
			return
		}
		if hubspot.OutcomeUnknown(r.Err) {
			for _, k := range asked {
				if w.doubts(k); kind == opCreate {
					k.hint.tried = k.plan.addr
				}
			}
			if kind == opCreate {
				lost, began = asked, r.Began
			}
		}
		failedAll(asked, r.Err)
	}}, items)
	for i, a := range answers {
		if a.Kind != batch.Unasked && !filed[i] {
			works[i].answer = w.answerOf(a)
		}
	}
	if lost != nil {
		err = errors.Join(err, w.noteAsked(ctx, lost, began))
	}
	return err
}

// answerKinds are the kinds of batch in the words of a work.
var answerKinds = map[batch.Kind]answerKind{batch.Accepted: accepted, batch.Refused: refused, batch.Conflict: conflict,
	batch.Missing: missingContact, batch.Unnamed: unnamed, batch.HeldBack: heldBack}

func (w *Worker) answerOf(a batch.Answer) answer {
	out := answer{kind: answerKinds[a.Kind], whole: a.Whole, refusal: a.Refusal}
	if a.Contact != nil {
		out.contact = w.contacts.View(a.Contact)
	}
	return out
}

// input builds one row of a batch write.
func (w *Worker) input(kind op, k *work, i int) hubspot.Input {
	in := hubspot.Input{TraceID: "r" + strconv.FormatInt(k.plan.all.Rows[len(k.plan.all.Rows)-1].Num(), 10) + "-" + strconv.Itoa(i),
		Properties: make(map[string]string, len(k.plan.diff.Changes)+2)}
	for p, c := range k.plan.diff.Changes {
		if kind == opCreate && c.Send == "" {
			continue // nothing to clear in a new contact
		}
		in.Properties[p] = c.Send
	}
	switch kind {
	case opUpdate:
		in.ID = string(k.link.ContactID)
		if k.plan.diff.Address != nil {
			in.Properties[ledger.AddressField] = k.plan.diff.Address.Send
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
