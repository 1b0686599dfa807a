package push

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// Contact properties that are read besides the mapped ones. Further addresses of a contact stand in hs_additional_emails,
// separated by ';' (https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide, read 2026-11-22);
// hs_email_optout is true when the present address is opted out of all e-mail; hs_merged_object_ids are the records that were merged
// into this one, separated alike (same page).
const (
	moreAddresses = "hs_additional_emails"
	optedOut      = "hs_email_optout"
	mergedIDs     = "hs_merged_object_ids"
)

// contactView is one contact as an answer shows it.
type contactView struct {
	id        lead.ContactID
	email     string
	more      []string // secondary addresses
	merged    []lead.ContactID
	optedOut  bool
	values    map[string]string // canonical, only what was shown
	updatedAt time.Time
	mark      string         // the id property, letter by letter
	askedAs   lead.ContactID // the id that it was asked for by; another one than its own since a merge
	archived  bool           // in the recycle bin
	begun     int64          // when the reading began, by our clock, unix ms; 0 = not known
	// history is what properties were before, of those that it was asked for.
	history map[string][]hubspot.Revision
}

// shown is the canonical value of a property, nil when the answer did not show it.
func (v *contactView) shown(property string) *string {
	if s, ok := v.values[property]; ok {
		return &s
	}
	return nil
}

func (w *Worker) view(c *hubspot.Contact) *contactView {
	t := w.table()
	v := &contactView{id: c.ID, values: make(map[string]string, len(c.Properties)), updatedAt: c.UpdatedAt}
	for p, s := range c.Properties {
		text := ""
		if s != nil {
			text = *s
		}
		v.values[p] = t.Canon(p, text)
	}
	v.email = v.values[ledger.AddressField]
	if mark := c.Properties[t.IDProperty()]; t.IDProperty() != "" && mark != nil {
		v.mark = *mark
	}
	for _, a := range strings.Split(v.values[moreAddresses], ";") {
		if a = lead.LowerKey(a); a != "" {
			v.more = append(v.more, a)
		}
	}
	for _, id := range strings.Split(v.values[mergedIDs], ";") {
		if id != "" {
			v.merged = append(v.merged, lead.ContactID(id))
		}
	}
	v.optedOut = v.values[optedOut] == "true"
	return v
}

// readProperties is the list of properties to ask for: the mapped ones, those of the rows and, for whole contacts, of the ledger.
func (w *Worker) readProperties(works []*work) []string {
	props := append(w.table().Properties(), ledger.AddressField, moreAddresses, optedOut, mergedIDs)
	for _, id := range w.types() {
		props = append(props, typeProperty(id))
	}
	for _, k := range works {
		for _, r := range k.rows {
			for _, v := range r.Values {
				props = append(props, v.Property)
			}
		}
		for p := range k.link.Fields {
			props = append(props, p)
		}
	}
	slices.Sort(props)
	return slices.Compact(props)
}

// errNameless: HubSpot shows a contact without its id, twice. Nothing can be said of it, so the lane waits as for an outage.
var errNameless = errors.New("hubspot shows a contact without its id")

// readBatch reads contacts by record id or by a unique property, 100 a request. An id of which an answer says nothing, neither that
// it is there nor that it is not, is asked for once more before it counts as absent.
func (w *Worker) readBatch(ctx context.Context, idProperty string, ids, props []string) ([]*contactView, error) {
	slices.Sort(ids)
	var out []*contactView
	for _, part := range parts(slices.Compact(ids)) {
		for try := 1; try <= 2 && len(part) > 0; try++ {
			views, silent, nameless, err := w.readPart(ctx, idProperty, part, props)
			if err != nil {
				return nil, err
			}
			if nameless && try == 2 {
				return nil, errNameless
			}
			out, part = append(out, views...), silent
		}
	}
	return out, nil
}

// parts spreads ids over requests. No id stands twice in one, compared in lower case: HubSpot would refuse it whole, should it fold them.
func parts(ids []string) [][]string {
	var out [][]string
	in := map[string]int{} // how many requests hold the id, whatever its case
	for _, id := range ids {
		i := in[strings.ToLower(id)]
		for ; i < len(out) && len(out[i]) == BatchSize; i++ {
		}
		if i == len(out) {
			out = append(out, nil)
		}
		out[i] = append(out[i], id)
		in[strings.ToLower(id)] = i + 1
	}
	return out
}

// readPart makes one request. silent are the ids of which the answer says nothing; nameless: it shows a contact without its id.
func (w *Worker) readPart(ctx context.Context, idProperty string, ids, props []string) (views []*contactView, silent []string, nameless bool, err error) {
	begun := outbox.Millis(w.now())
	res, err := w.hub.BatchRead(ctx, hubspot.ReadRequest{IDProperty: idProperty, IDs: ids, Properties: props})
	if errors.Is(err, lead.ErrNotFound) || hubspot.Classify(err) == hubspot.ClassNotFound {
		return nil, nil, false, nil // none of them
	}
	if err != nil {
		return nil, nil, false, err
	}
	w.breaker.ReadSucceeded(hubspot.OpBatchRead)
	named := map[string]bool{}
	for i := range res.Results {
		v := w.view(&res.Results[i])
		v.begun = begun
		if v.id == "" {
			nameless = true
			continue
		}
		views = append(views, v)
		switch idProperty {
		case "":
			named[string(v.id)] = true
		case ledger.AddressField:
			named[v.email] = true
			for _, a := range v.more {
				named[a] = true
			}
		default:
			named[strings.ToLower(v.values[idProperty])] = true
		}
	}
	for _, e := range res.Errors {
		for _, id := range e.IDs {
			named[strings.ToLower(id)] = true
		}
	}
	for _, id := range ids {
		if !named[strings.ToLower(id)] {
			silent = append(silent, id)
		}
	}
	return views, silent, nameless, nil
}

// readLinked reads the contacts of linked leads and takes the readings into their ledgers.
func (w *Worker) readLinked(ctx context.Context, works []*work) error {
	ids := make([]string, len(works))
	for i, k := range works {
		ids[i] = string(k.link.ContactID)
	}
	begun := w.now()
	views, err := w.readBatch(ctx, "", ids, w.readProperties(works))
	if err != nil {
		w.tellAsked(hubspot.OpBatchRead, begun, 0, "", err, works, nil)
		return err
	}
	byID := map[lead.ContactID]*contactView{}
	for _, v := range views {
		byID[v.id] = v
	}
	w.tellAsked(hubspot.OpBatchRead, begun, 0, "", nil, works, func(k *work) string { return foundWord(byID[k.link.ContactID] != nil) })
	for _, k := range works {
		if v := byID[k.link.ContactID]; v == nil {
			k.answer = answer{kind: missingContact}
		} else if err := w.take(ctx, k, v); err != nil {
			k.failed(err, 1)
			return err
		}
	}
	if err := w.recycled(ctx, works); err != nil {
		return err
	}
	for _, k := range works {
		if k.answer.kind == missingContact {
			if err := w.whereIs(ctx, k); err != nil {
				k.failed(err, 1)
				return err
			}
		}
		k.answer = answer{}
	}
	return nil
}
