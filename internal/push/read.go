package push

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
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
	v := &contactView{id: lead.ContactID(c.ID), values: make(map[string]string, len(c.Properties)), updatedAt: c.UpdatedAt}
	for p, s := range c.Properties {
		text := ""
		if s != nil {
			text = *s
		}
		v.values[p] = t.Canon(p, text)
	}
	v.email = v.values[ledger.AddressField]
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
	for _, k := range works {
		for _, r := range k.rows {
			for _, v := range r.values {
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
	var out []*contactView
	slices.Sort(ids)
	for part := range slices.Chunk(slices.Compact(ids), BatchSize) {
		for try := 1; try <= 2 && len(part) > 0; try++ {
			views, silent, nameless, err := w.readPart(ctx, idProperty, part, props)
			if errors.Is(err, hubspot.ErrAnswerTooLarge) && len(part) > 1 {
				for half := range slices.Chunk(part, (len(part)+1)/2) {
					if views, err = w.readBatch(ctx, idProperty, half, props); err != nil {
						return nil, err
					}
					out = append(out, views...)
				}
				break
			}
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

// readPart makes one request. silent are the ids of which the answer says nothing; nameless: it shows a contact without its id.
func (w *Worker) readPart(ctx context.Context, idProperty string, ids, props []string) (views []*contactView, silent []string, nameless bool, err error) {
	res, err := w.hub.BatchRead(ctx, hubspot.ReadRequest{IDProperty: idProperty, IDs: ids, Properties: props})
	if errors.Is(err, lead.ErrNotFound) || hubspot.Classify(err) == hubspot.ClassNotFound {
		return nil, nil, false, nil // none of them
	}
	if err != nil {
		return nil, nil, false, err
	}
	named := map[string]bool{}
	for i := range res.Results {
		v := w.view(&res.Results[i])
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
	views, err := w.readBatch(ctx, "", ids, w.readProperties(works))
	if err != nil {
		return err
	}
	byID := map[lead.ContactID]*contactView{}
	for _, v := range views {
		byID[v.id] = v
	}
	for _, k := range works {
		if v := byID[k.link.ContactID]; v == nil {
			k.answer = answer{kind: missingContact}
		} else if err := w.take(ctx, k, v); err != nil {
			return err
		}
	}
	if err := w.recycled(ctx, works); err != nil {
		return err
	}
	for _, k := range works {
		if k.answer.kind == missingContact {
			if err := w.whereIs(ctx, k); err != nil {
				return err
			}
		}
		k.answer = answer{}
	}
	return nil
}

// lookup looks for a contact of each unlinked lead: by the id property, then by every address of its pending rows in row order,
// and by the contact that a conflict named. A contact found is linked by the first-link rule.
func (w *Worker) lookup(ctx context.Context, works []*work) error {
	t := w.table()
	props := w.readProperties(works)
	byKey := map[string]*contactView{}
	if t.IDProperty() != "" {
		ids := make([]string, len(works))
		for i, k := range works {
			ids[i] = string(k.id)
		}
		views, err := w.readBatch(ctx, t.IDProperty(), ids, props)
		if err != nil {
			return err
		}
		for _, v := range views {
			byKey["id:"+v.values[t.IDProperty()]] = v
		}
	}
	var emails, named []string
	for _, k := range works {
		emails = append(emails, k.addresses()...)
		if id := k.answer.refusal.existing; id != "" {
			named = append(named, string(id))
		}
	}
	views, err := w.readBatch(ctx, ledger.AddressField, emails, props)
	if err != nil {
		return err
	}
	if len(named) > 0 {
		more, err := w.readBatch(ctx, "", named, props)
		if err != nil {
			return err
		}
		views = append(views, more...)
	}
	for _, v := range views {
		byKey[v.email] = v
		for _, a := range v.more {
			if byKey[a] == nil {
				byKey[a] = v
			}
		}
		byKey["contact:"+string(v.id)] = v
	}
	holders, err := w.holders(ctx, byKey)
	if err != nil {
		return err
	}
	for _, k := range works {
		k.looked = true
		if err := w.firstLink(ctx, k, byKey, holders); err != nil {
			return err
		}
	}
	return nil
}

// addresses are all addresses a lead may be known by: those of its pending rows, then the one of its link. Blocked ones are not asked
// for: they are another lead's.
func (k *work) addresses() []string {
	out := addresses(k.rows)
	if k.link.Address != "" && !slices.Contains(out, k.link.Address) {
		out = append(out, k.link.Address)
	}
	return slices.DeleteFunc(out, func(a string) bool { _, no := k.blocked[a]; return no })
}

// holders maps contacts to the lead that is linked to them, or to one that was merged into them.
func (w *Worker) holders(ctx context.Context, found map[string]*contactView) (map[lead.ContactID]lead.ID, error) {
	out := map[lead.ContactID]lead.ID{}
	var ids []lead.ContactID
	for _, v := range found {
		ids = append(append(ids, v.id), v.merged...)
	}
	if len(ids) == 0 {
		return out, nil
	}
	slices.Sort(ids)
	links, err := w.store.LinksByContact(ctx, w.hubID(), slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	byContact := map[lead.ContactID]lead.ID{}
	for _, l := range links {
		if l.State != ledger.Linked {
			continue
		}
		if byContact[l.ContactID] = l.LeadID; l.Portal != w.cfg.Portal {
			byContact[l.ContactID] = "" // no lead of ours, whatever its id
		}
	}
	for _, v := range found {
		for _, id := range append([]lead.ContactID{v.id}, v.merged...) {
			if holder, held := byContact[id]; held {
				out[v.id] = holder
				break
			}
		}
	}
	return out, nil
}

// firstLink links a lead to the contact that was found for it, if no other lead has it.
func (w *Worker) firstLink(ctx context.Context, k *work, byKey map[string]*contactView, holders map[lead.ContactID]lead.ID) error {
	keys := []string{"id:" + string(k.id)}
	if slices.Contains(k.addresses(), k.hint.tried) {
		keys = append(keys, k.hint.tried)
	}
	keys = append(keys, k.addresses()...)
	if id := k.answer.refusal.existing; id != "" {
		keys = append(keys, "contact:"+string(id))
	}
	for _, key := range keys {
		v := byKey[key]
		if v == nil {
			continue
		}
		holder, held := holders[v.id]
		other := v.values[w.table().IDProperty()]
		if held && holder != k.id || w.table().IDProperty() != "" && other != "" && other != string(k.id) {
			switch {
			case strings.HasPrefix(key, "contact:"):
				k.block(k.plan.addr, taken(v.id))
			case !strings.HasPrefix(key, "id:"):
				k.block(key, taken(v.id))
			}
			continue
		}
		holders[v.id] = k.id
		if k.link.State == ledger.Gone {
			k.begin()
		}
		k.link.State, k.link.ContactID, k.linked, k.dirty = ledger.Linked, v.id, true, true
		k.answer = answer{}
		return w.take(ctx, k, v)
	}
	if _, known := k.blocked[k.plan.addr]; k.answer.kind == conflict && !k.answer.whole && !known {
		k.block(k.plan.addr, taken(lead.ContactID(k.answer.refusal.existing)))
	}
	k.answer = answer{}
	return nil
}

// begin starts the ledger of another life: what the old contact held says nothing of this one, but the application's word stands, and
// so does the order of its events.
func (k *work) begin() {
	k.fill, k.link.Fields = k.link.Fields, make(map[string]ledger.Field, len(k.link.Fields))
	for p, f := range k.fill {
		if p != ledger.AddressField && f.Sent != "" {
			f.Set-- // the value itself may still be set
		}
		k.link.Fields[p] = ledger.Field{Set: f.Set}
	}
}

// take merges a fresh reading of the lead's contact into its ledger, field by field, and puts into the inbox what the application
// does not know. No request for the lead is under way while a job has it.
func (w *Worker) take(ctx context.Context, k *work, v *contactView) error {
	t := w.table()
	told := map[string]told{}
	for p, canon := range v.values {
		if p == ledger.AddressField || p == moreAddresses || p == optedOut || p == mergedIDs {
			continue
		}
		if err := w.merge(ctx, k, v, p, canon, told); err != nil {
			return err
		}
	}
	if own := pendingValues(k.rows, ledger.AddressField); len(own) > 0 && own[len(own)-1].Canon != v.email && slices.Contains(v.more, own[len(own)-1].Canon) {
		// The contact has our address already, as a further one. Whether a write would swap or free the primary one is not
		// known, so it stays: what we wanted is there.
		k.link.Wrote(ledger.AddressField, own[len(own)-1].Canon, k.link.Field(ledger.AddressField).Set, &v.email)
	} else if v.email != "" || k.link.Field(ledger.AddressField).Seen != "" {
		if err := w.merge(ctx, k, v, ledger.AddressField, v.email, told); err != nil {
			return err
		}
	}
	k.read, k.dirty = true, true
	if mark, shown := v.values[t.IDProperty()]; t.IDProperty() != "" && shown {
		k.unmarked = mark == "" && !k.markTaken
	}
	if v.optedOut && k.link.Consent != "in" {
		k.optedOut = true
	}
	if len(told) > 0 {
		k.inbox = append(k.inbox, inboxUpdate(k, v, told, t))
	}
	return nil
}

func (w *Worker) merge(ctx context.Context, k *work, v *contactView, property, canon string, out map[string]told) error {
	t := w.table()
	direction, winner := t.Rule(property)
	f := k.link.Field(property)
	if canon == "" && f == (ledger.Field{}) {
		return nil
	}
	if _, carried := k.link.Fields[property]; !carried && direction == "" {
		return nil // not mapped: none of our business
	}
	r := ledger.Reading{Property: property, Canon: canon, Pending: pendingValues(k.rows, property),
		Told: direction == mapping.Both || direction == mapping.Pull}
	if old := k.fill[property]; len(r.Pending) == 0 && old.Sent != "" && property != ledger.AddressField {
		r.Pending = []ledger.Pending{{Canon: old.Sent, ID: old.Set}}
	}
	if !r.Told && f == (ledger.Field{}) && len(r.Pending) == 0 {
		return nil // the application neither sends nor hears it
	}
	if late, err := w.arrivedLate(ctx, k, r, f); late || err != nil {
		return err
	}
	if canon != f.Seen && (r.Told || winner == mapping.HubSpot || winner == mapping.FillEmpty) {
		top, err := w.top(ctx, k, property)
		if err != nil {
			return err
		}
		r.Top, r.Pending = top, k.withArrived(r.Pending, property)
	}
	switch winner {
	case mapping.HubSpot:
		r.Winner = ledger.HubSpot
	case mapping.FillEmpty:
		if canon != "" {
			r.Winner = ledger.HubSpot
		}
	case mapping.Newest:
		if r.Told && v.changedAfter(k, r.Pending) {
			r.Winner = ledger.HubSpot
		}
	}
	verdict := k.link.Merge(r)
	if verdict == ledger.Ours { // finish stands the row in the order; one that dies before that must not overtake an older one
		now := k.link.Fields[property]
		now.Set = f.Set
		k.link.Fields[property] = now
	}
	if verdict.Tell() {
		out[property] = told{value: canon, was: f.Seen}
	}
	return nil
}

// arrivedLate reports whether a value is an older one of ours that HubSpot wrote after our time-out. While a second look is due such a
// value is left to it: taken here as somebody's edit, it would stay.
func (w *Worker) arrivedLate(ctx context.Context, k *work, r ledger.Reading, f ledger.Field) (bool, error) {
	same := func(p ledger.Pending) bool { return p.Canon == r.Canon }
	if k.link.SecondLookAt == 0 || r.Canon == f.Seen || r.Canon == f.Sent || slices.ContainsFunc(r.Pending, same) {
		return false, nil
	}
	if _, err := w.top(ctx, k, r.Property); err != nil {
		return false, err
	}
	return slices.ContainsFunc(pendingValues(k.history, r.Property), func(p ledger.Pending) bool { return same(p) && p.ID <= f.Set }), nil
}

// withArrived adds the values of rows that were committed after the lead's rows were read: a value taken from HubSpot stands above them
// too, so they must have their say first.
func (k *work) withArrived(pending []ledger.Pending, property string) []ledger.Pending {
	var arrived []*row
	for _, r := range k.history {
		if r.State == outbox.Pending && r.end == nil && !slices.Contains(k.ids, r.ID) {
			arrived = append(arrived, r)
		}
	}
	pending = append(pending, pendingValues(arrived, property)...)
	slices.SortFunc(pending, func(a, b ledger.Pending) int { return cmp.Compare(a.ID, b.ID) })
	return pending
}

// changedAfter reports whether the contact was changed after the newest of the pending values came into being. It is the contact's
// own time, so an edit of another field counts too: HubSpot's value then stays and is told, nothing is lost unseen.
func (v *contactView) changedAfter(k *work, pending []ledger.Pending) bool {
	if len(pending) == 0 {
		return false
	}
	last := pending[len(pending)-1].ID
	for _, r := range append(slices.Clone(k.rows), k.history...) {
		if r.id() == last {
			at := r.CreatedAt
			if r.OccurredAt != nil && *r.OccurredAt < at {
				at = *r.OccurredAt
			}
			return v.updatedAt.UnixMilli() > at
		}
	}
	return false
}

// top is the highest outbox id of any row of the lead, in any state, that carries the property.
func (w *Worker) top(ctx context.Context, k *work, property string) (int64, error) {
	if k.history == nil {
		rows, err := w.store.RowsOf(ctx, k.id, historyRows)
		if err != nil {
			return 0, err
		}
		k.history = make([]*row, len(rows))
		for i := range rows {
			k.history[i] = newRow(&rows[i], w.table(), false)
		}
	}
	var top int64
	for _, p := range pendingValues(k.history, property) {
		top = max(top, p.ID)
	}
	return top, nil
}

// historyRows bounds how many of a lead's rows are read back.
const historyRows = 200

func heldBy(id lead.ContactID) string {
	if _, err := strconv.ParseInt(string(id), 10, 64); err != nil {
		return "another contact has the address"
	}
	return "held by contact " + string(id)
}
