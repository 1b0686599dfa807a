package push

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/internal/contact"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// Whose contact is it? Whatever destroys or overwrites asks evidence, and nothing else decides it: a purge, an archive,
// an opt-out that follows a change of address, the write of a link. An address or an id in a row, of whatever state,
// proves nothing: end users type addresses, and an application may write what it likes. Without evidence the act waits
// for an operator.

// The kinds of evidence, see ledger.Whose.
type Evidence = ledger.Evidence

const (
	ByLink       = ledger.ByLink
	ByMerge      = ledger.ByMerge
	ByIDProperty = ledger.ByIDProperty
	ByDelivery   = ledger.ByDelivery
	ByRequest    = ledger.ByRequest
	SaidSo       = ledger.SaidSo
)

// claim is what a lead can say for itself when somebody asks whether a contact is its.
type claim struct {
	id    lead.ID
	link  *ledger.Link
	known Known
	// asked are addresses under which a create of ours may have been carried out without an answer, each with the earliest
	// time, unix ms.
	asked map[string]int64
}

// claimOf reads what is known of a lead for the rows that act.
func (w *Worker) claimOf(ctx context.Context, k *work, rows []outbox.EntryID) (*claim, error) {
	known, err := w.store.KnownContacts(ctx, w.hubID(), k.id, rows)
	if err != nil {
		return nil, w.withTrouble(err)
	}
	c := &claim{id: k.id, link: k.link, known: known, asked: map[string]int64{}}
	for a, at := range known.Asked {
		c.doubts(a, at)
	}
	return c, nil
}

// evidence tells why the contact is the lead's. It asks HubSpot only where a create of ours may have made it.
func (w *Worker) evidence(ctx context.Context, c *claim, v *contact.View) (Evidence, error) {
	if e := c.evidence(v, w.table().IDProperty() != ""); e != "" {
		return e, nil
	}
	var since int64
	for _, a := range v.Addresses() {
		if t := c.asked[a]; t != 0 && (since == 0 || t < since) {
			since = t
		}
	}
	if since == 0 {
		return "", nil
	}
	made, err := w.contacts.MadeSince(ctx, v, since)
	if err != nil || !made {
		return "", err
	}
	return ByRequest, nil
}

// evidence is the part of it that is known here.
func (c *claim) evidence(v *contact.View, marks bool) Evidence {
	shown := ledger.Shown{ID: v.ID, Addresses: v.Addresses(), Merged: v.Swallowed}
	if marks {
		shown.Mark = v.Mark
	}
	return ledger.Whose(c.id, c.link, c.known.Had, shown)
}

// addresses are those that the lead's contacts had while they were its, in this account.
func (c *claim) addresses() []string {
	var all []string
	add := func(a string) {
		if a != "" && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	if c.link.State == ledger.Linked || c.link.State == ledger.Gone {
		add(c.link.Address)
		f := c.link.Field(ledger.AddressField)
		add(f.Sent)
		add(f.Seen)
	}
	for _, had := range c.known.Had {
		for _, a := range had {
			add(a)
		}
	}
	return all
}

// near reports whether a contact without evidence is one of which a person must say whose it is: the lead had it, or it
// has an address that the lead's contacts had or that the row itself names. What only other rows name is somebody
// else's until shown otherwise.
func (c *claim) near(v *contact.View, named []string) bool {
	if _, had := c.known.Had[v.ID]; had {
		return true
	}
	known := append(c.addresses(), named...)
	return slices.ContainsFunc(v.Addresses(), func(a string) bool { return slices.Contains(known, a) })
}

// noteAsked keeps, durably, that creates had no answer: what they may have made is the lead's.
func (w *Worker) noteAsked(ctx context.Context, works []*work, began time.Time) error {
	var asked []Unanswered
	for _, k := range works {
		asked = append(asked, Unanswered{HubID: w.hubID(), Lead: k.id, Address: k.plan.addr, At: outbox.Millis(began)})
	}
	return w.keep(ctx, asked)
}

func (w *Worker) keep(ctx context.Context, asked []Unanswered) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	_, err := w.store.Settle(ctx, Settlement{Asked: asked})
	return w.withTrouble(err)
}

// askedBefore adds what the owner before may have asked for without noting it, because it was killed: creates for rows
// that still wait.
func (w *Worker) askedBefore(c *claim, addresses []string) {
	if w.cfg.Doubt <= 0 || c.link.State == ledger.Linked {
		return
	}
	for _, a := range addresses {
		c.doubts(a, outbox.Millis(w.cfg.LastSeen))
	}
}

// keepAsked keeps what askedBefore added: the rows that told it are ended next, and the look behind it may be another
// process's.
func (w *Worker) keepAsked(ctx context.Context, c *claim) error {
	var asked []Unanswered
	for a, at := range c.asked {
		if c.known.Asked[a] == 0 {
			asked = append(asked, Unanswered{HubID: w.hubID(), Lead: c.id, Address: a, At: at})
		}
	}
	if len(asked) == 0 {
		return nil
	}
	return w.keep(ctx, asked)
}

// doubts notes an address with the time from which a contact under it may be ours.
func (c *claim) doubts(address string, since int64) {
	if t := c.asked[address]; address != "" && (t == 0 || since < t) {
		c.asked[address] = since
	}
}

// claimForDelete reads what a lead without a contact that is deleted can say for itself.
func (w *Worker) claimForDelete(ctx context.Context, k *work) (err error) {
	if k.plan.del == nil {
		return nil
	}
	if k.claim, err = w.claimOf(ctx, k, []outbox.EntryID{k.plan.del.ID}); err != nil {
		return err
	}
	k.asks = nil
	w.askedBefore(k.claim, k.past)
	return nil
}

// mayLink reports whether a lead without a contact may be linked to one that was found for it. A registration with the
// address of a contact that was there takes that contact, by design; a delete takes none without evidence.
func (w *Worker) mayLink(ctx context.Context, k *work, v *contact.View) (bool, error) {
	c := k.claim
	if k.plan.del == nil {
		c = &claim{id: k.id, link: k.link}
	}
	e, err := w.evidence(ctx, c, v)
	if err != nil {
		return false, err
	}
	if k.plan.del == nil {
		k.link.Found = e == ""
		return true, nil
	}
	var named []string
	if k.plan.del.LookFor != "" {
		named = append(named, k.plan.del.LookFor)
	}
	switch {
	case c.known.Leave[v.ID]:
		return false, nil
	case e == "" && c.known.Also[v.ID]:
		e = SaidSo
	case e == "":
		if c.near(v, named) && !slices.Contains(k.asks, v.ID) {
			k.asks = append(k.asks, v.ID)
		}
		return false, nil
	}
	k.by = e
	return true, nil
}

// mostAsked bounds the contacts that a note names.
const mostAsked = 20

// askNote names contacts of which a person must say whose they are.
func askNote(ids []lead.ContactID, why, command string) string {
	texts := make([]string, 0, mostAsked)
	for _, id := range ids[:min(len(ids), mostAsked)] {
		texts = append(texts, "contact "+string(id))
	}
	more := ""
	if n := len(ids) - len(texts); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s%s: %s; `%s --also CONTACT` takes it along, `--leave CONTACT` leaves it alone", strings.Join(texts, ", "), more, why, command)
}
