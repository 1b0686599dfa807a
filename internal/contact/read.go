package contact

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
)

// HubSpot is the part of the client that reads contacts.
type HubSpot interface {
	BatchRead(ctx context.Context, r hubspot.ReadRequest) (*hubspot.BatchResult, error)
	Contact(ctx context.Context, id lead.ContactID, properties []string, archived bool) (*hubspot.Contact, error)
}

// Config is what a Reader needs, all of it.
type Config struct {
	HubSpot   HubSpot
	Table     func() *mapping.Table
	Succeeded func(op string) // told of each batch that was read
	Now       func() time.Time
}

// Reader is safe for concurrent use.
type Reader struct {
	hub       HubSpot
	table     func() *mapping.Table
	succeeded func(op string)
	now       func() time.Time
}

// NewReader returns a Reader.
func NewReader(c Config) *Reader { return &Reader{c.HubSpot, c.Table, c.Succeeded, c.Now} }

// View is the contact of an answer.
func (r *Reader) View(c *hubspot.Contact) *View { return Of(c, r.table()) }

// errNameless: HubSpot shows a contact without its id, twice. Nothing can be said of it, so the lane waits as for an
// outage.
var errNameless = errors.New("hubspot shows a contact without its id")

// Batch reads contacts by record id or by a unique property, 100 a request. An id of which an answer says nothing,
// neither that it is there nor that it is not, is asked for once more before it counts as absent.
func (r *Reader) Batch(ctx context.Context, idProperty string, ids, props []string) ([]*View, error) {
	slices.Sort(ids)
	var out []*View
	for _, part := range parts(slices.Compact(ids)) {
		for try := 1; try <= 2 && len(part) > 0; try++ {
			views, silent, nameless, err := r.part(ctx, idProperty, part, props)
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

// parts spreads ids over requests. No id stands twice in one, compared in lower case: HubSpot would refuse it whole,
// should it fold them.
func parts(ids []string) [][]string {
	var out [][]string
	in := map[string]int{} // how many requests hold the id, whatever its case
	for _, id := range ids {
		i := in[strings.ToLower(id)]
		for ; i < len(out) && len(out[i]) == hubspot.MaxBatch; i++ {
		}
		if i == len(out) {
			out = append(out, nil)
		}
		out[i] = append(out[i], id)
		in[strings.ToLower(id)] = i + 1
	}
	return out
}

// part makes one request. silent are the ids of which the answer says nothing; nameless: it shows a contact without its
// id.
func (r *Reader) part(ctx context.Context, idProperty string, ids, props []string) (views []*View, silent []string, nameless bool, err error) {
	begun := r.now().UnixMilli()
	res, err := r.hub.BatchRead(ctx, hubspot.ReadRequest{IDProperty: idProperty, IDs: ids, Properties: props})
	if NotFound(err) {
		return nil, nil, false, nil // none of them
	}
	if err != nil {
		return nil, nil, false, err
	}
	r.succeeded(hubspot.OpBatchRead)
	named := map[string]bool{}
	for i := range res.Results {
		v := r.View(&res.Results[i])
		v.Begun = begun
		if v.ID == "" {
			nameless = true
			continue
		}
		views = append(views, v)
		switch idProperty {
		case "":
			named[string(v.ID)] = true
		case ledger.AddressField:
			named[v.Email] = true
			for _, a := range v.More {
				named[a] = true
			}
		default:
			named[strings.ToLower(v.Values[idProperty])] = true
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

// ByID reads contacts by their ids, those in the recycle bin and the survivors of merges, in any number of steps, among
// them. missing are the ids of which HubSpot has nothing any more.
func (r *Reader) ByID(ctx context.Context, ids []lead.ContactID, props []string) (views []*View, missing []lead.ContactID, err error) {
	if len(ids) == 0 {
		return nil, nil, nil
	}
	texts := make([]string, 0, len(ids))
	for _, id := range ids {
		if id != "" && strings.Trim(string(id), "0123456789") == "" {
			texts = append(texts, string(id))
		}
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	live, err := r.Batch(ctx, "", slices.Clone(texts), props)
	if err != nil {
		return nil, nil, err
	}
	bin, err := r.Archived(ctx, "", texts, props)
	if err != nil {
		return nil, nil, err
	}
	there := map[lead.ContactID]bool{}
	for _, v := range append(live, bin...) {
		views, there[v.ID] = append(views, v), true
	}
	for _, text := range texts {
		id := lead.ContactID(text)
		if there[id] {
			continue
		}
		c, err := r.hub.Contact(ctx, id, props, false) // follows merges
		if NotFound(err) {
			missing = append(missing, id)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		v := r.View(c)
		v.AskedAs = id
		views = append(views, v)
	}
	return views, missing, nil
}

// Archived reads contacts in the recycle bin. That they can be asked for by address is not documented: a refusal means
// none.
func (r *Reader) Archived(ctx context.Context, idProperty string, ids, props []string) ([]*View, error) {
	var out []*View
	for _, part := range parts(ids) {
		res, err := r.hub.BatchRead(ctx, hubspot.ReadRequest{IDProperty: idProperty, IDs: part, Properties: props, Archived: true})
		if NotFound(err) || idProperty != "" && hubspot.Classify(err) == hubspot.ClassInvalid {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range res.Results {
			if v := r.View(&res.Results[i]); v.ID != "" {
				v.Archived = true
				out = append(out, v)
			}
		}
	}
	return out, nil
}

// NotFound reports whether HubSpot said that there is no such contact.
func NotFound(err error) bool {
	return errors.Is(err, lead.ErrNotFound) || hubspot.Classify(err) == hubspot.ClassNotFound
}
