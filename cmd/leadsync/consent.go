package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// consentReport is the object of `consent LEAD --json`. Times are unix ms; null where not known.
type consentReport struct {
	LeadID string `json:"lead_id"`
	// Consent is the last word that counts here: "out", "in", or "" when nobody has said anything. ConsentID is the outbox
	// row that said it, null when HubSpot did.
	Consent   string `json:"consent"`
	ConsentID *int64 `json:"consent_id"`
	ConsentAt *int64 `json:"consent_at"`
	// ContactState is that of the link: linked, gone, purged, passive, or "" without a contact.
	ContactState string  `json:"contact_state"`
	ContactID    *string `json:"contact_id"`
	// Owed is true while the present address is not known to be opted out and should be.
	Owed      bool             `json:"owed"`
	Addresses []consentAddress `json:"addresses"`
	History   []consentEvent   `json:"history"` // oldest first, as far as rows were kept
	// HubSpotError says why HubSpot could not be asked; null when it was.
	HubSpotError *string `json:"hubspot_error"`
}

// consentAddress is one address of the lead on both sides.
type consentAddress struct {
	Address string `json:"address"`
	Present bool   `json:"present"` // the contact has it now, as far as is known here
	// Evidenced: HubSpot has confirmed the opt-out of it since the last word.
	Evidenced bool `json:"evidenced"`
	// OptedOutOfAll is what HubSpot says now, null when it was not asked.
	OptedOutOfAll *bool           `json:"opted_out_of_all"`
	Statuses      []consentStatus `json:"statuses"`
}

// consentStatus is what HubSpot holds for one subscription type, or (id 0) for all e-mail.
type consentStatus struct {
	SubscriptionID int64  `json:"subscription_id"`
	Status         string `json:"status"`
	At             *int64 `json:"at"`
	Source         string `json:"source"`
}

// consentEvent is one row that spoke of consent: of the outbox, or of the inbox (then OutboxID is null).
type consentEvent struct {
	OutboxID *int64  `json:"outbox_id"`
	InboxID  *int64  `json:"inbox_id"`
	Type     string  `json:"type"`
	At       int64   `json:"at"`
	Email    *string `json:"email"`
	State    string  `json:"state,omitempty"`
	Reason   *string `json:"reason"`
	Note     *string `json:"note"`
}

func newConsentCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "consent LEAD",
		Short: "Show what both sides hold of a lead's consent, and the history that is known",
		Long: "Prints the last word that counts here and the row that said it, the addresses of the lead with what HubSpot says of each now, and\n" +
			"the rows that spoke of consent, as far as retention has kept them. It changes nothing. HubSpot is asked with the token of the daemon;\n" +
			"when it cannot be asked our side is printed all the same, and the exit code is 1. LEAD - is read\n" +
			"from standard input.",
		Example: "  leadsync consent 42\n  leadsync consent 42 --json | jq .addresses",
		Args:    wantArgs("LEAD"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := env.person(c.Context(), args[0], "LEAD")
			if err != nil {
				return err
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				r, err := ourConsent(c.Context(), cfg, db, lead.ID(id))
				if err != nil {
					return err
				}
				asked := env.theirConsent(c.Context(), cfg, db, r)
				if asked != nil {
					r.HubSpotError = new(asked.Error())
				}
				if asJSON {
					if err := env.printJSON(r); err != nil {
						return err
					}
				} else if err := env.printConsent(r); err != nil {
					return err
				}
				if asked != nil {
					return fmt.Errorf("HubSpot could not be asked: %w", asked)
				}
				return nil
			})
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

// consentRows bounds how many rows of a lead are looked through.
const consentRows = 1000

// ourConsent is what the database knows.
func ourConsent(ctx context.Context, cfg *config.Loaded, db *store.DB, id lead.ID) (*consentReport, error) {
	r := &consentReport{LeadID: string(id), Addresses: []consentAddress{}, History: []consentEvent{}}
	portal, err := db.View(cfg.Portal).Row(ctx)
	if err != nil && !errors.Is(err, lead.ErrNotFound) {
		return nil, err
	}
	links, err := db.View(cfg.Portal).Links(ctx, portal.HubID, []lead.ID{id})
	if err != nil {
		return nil, err
	}
	rows, err := db.View(cfg.Portal).RowsOf(ctx, id, consentRows)
	if err != nil {
		return nil, err
	}
	told, err := db.Operator().InboxOf(ctx, cfg.Portal, id)
	if err != nil {
		return nil, err
	}
	l := links[id]
	if l == nil && len(rows) == 0 && len(told) == 0 {
		return nil, fmt.Errorf("no lead with this id is known in portal %s", cfg.Portal)
	}
	if l != nil {
		r.Consent, r.ConsentID, r.ConsentAt = l.Consent, known(l.ConsentID), known(l.OptOut.At)
		r.ContactState, r.ContactID, r.Owed = string(l.State), known(string(l.ContactID)), l.OptOutDue() != 0
		r.address(l.Address, l.State == ledger.Linked, l)
		for _, a := range l.OptOut.Evidenced {
			r.address(a, false, l)
		}
	}
	for i := len(rows) - 1; i >= 0; i-- {
		e := &rows[i]
		if e.Email != nil {
			if a, err := lead.NormalizeAddress(*e.Email); err == nil {
				r.address(string(a), false, l)
			}
		}
		if e.Type == nil || !outbox.Type(*e.Type).Consent() {
			continue
		}
		at := e.CreatedAt
		if e.OccurredAt != nil && *e.OccurredAt < at {
			at = *e.OccurredAt
		}
		r.History = append(r.History, consentEvent{OutboxID: new(int64(e.ID)), Type: *e.Type, At: at, Email: e.Email, State: string(e.State), Reason: e.Reason, Note: e.Note})
	}
	for i := range told {
		e := &told[i]
		if e.ChangeType != "contact.unsubscribed" && e.ChangeType != "contact.resubscribed" {
			continue
		}
		at := e.PulledAt
		if e.ChangedAt != nil {
			at = *e.ChangedAt
		}
		r.History = append(r.History, consentEvent{InboxID: new(e.ID), Type: e.ChangeType, At: at, Email: e.Email})
	}
	slices.SortStableFunc(r.History, func(a, b consentEvent) int { return int(min(1, max(-1, a.At-b.At))) })
	return r, nil
}

// address enters an address once.
func (r *consentReport) address(a string, present bool, l *ledger.Link) {
	if a == "" || slices.ContainsFunc(r.Addresses, func(x consentAddress) bool { return x.Address == a }) {
		return
	}
	r.Addresses = append(r.Addresses, consentAddress{Address: a, Present: present, Evidenced: l != nil && l.Evidenced(a), Statuses: []consentStatus{}})
}

// theirConsent asks HubSpot about each address.
func (e *environment) theirConsent(ctx context.Context, cfg *config.Loaded, db *store.DB, r *consentReport) error {
	if len(r.Addresses) == 0 {
		return nil
	}
	client, end, err := e.liveClient(ctx, cfg, db, cfg.Portal)
	defer end()
	if err != nil {
		return err
	}
	unit := cfg.Consent.BusinessUnitID
	for i := range r.Addresses {
		a := &r.Addresses[i]
		wide, err := client.OptedOutOfAll(ctx, a.Address, unit)
		if err != nil {
			return err
		}
		single, err := client.Statuses(ctx, a.Address, unit)
		if err != nil {
			return err
		}
		a.OptedOutOfAll = new(len(wide) > 0)
		for _, s := range append(wide, single...) {
			at := s.At.UnixMilli()
			if s.At.IsZero() {
				at = 0
			}
			a.Statuses = append(a.Statuses, consentStatus{s.SubscriptionID, s.Status, known(at), s.Source})
		}
	}
	return nil
}

// printConsent writes the report for a person.
func (e *environment) printConsent(r *consentReport) error {
	t := tabwriter.NewWriter(safeJSON{e.stdout}, 0, 0, 2, ' ', 0)
	word := map[string]string{"": "nobody has said anything", ledger.Out: "opted out", ledger.In: "opted in again"}[r.Consent]
	if r.ConsentID != nil {
		word += fmt.Sprintf(" by row %d", *r.ConsentID)
	} else if r.Consent != "" {
		word += " in HubSpot"
	}
	if r.ConsentAt != nil {
		word += ", " + status.Clock(*r.ConsentAt)
	}
	if r.Owed {
		word += "; the present address waits to be opted out"
	}
	fmt.Fprintf(t, "here\t%s\n", word)
	for i := range r.Addresses {
		a := &r.Addresses[i]
		there := "HubSpot was not asked"
		switch {
		case a.OptedOutOfAll == nil:
		case *a.OptedOutOfAll:
			there = "HubSpot: opted out of all e-mail"
		default:
			there = "HubSpot: not opted out of all e-mail"
		}
		if a.Present {
			there += ", the contact has this address"
		}
		fmt.Fprintf(t, "%s\t%s\n", a.Address, there)
		for _, s := range a.Statuses {
			what, at := fmt.Sprintf("subscription %d", s.SubscriptionID), ""
			if s.SubscriptionID == 0 {
				what = "all e-mail"
			}
			if s.At != nil {
				at = status.Clock(*s.At)
			}
			fmt.Fprintf(t, "\t%s\t%s\t%s\t%s\n", what, s.Status, at, s.Source)
		}
	}
	for _, h := range r.History {
		where, end := "", h.State
		if h.OutboxID != nil {
			where = fmt.Sprintf("outbox %d", *h.OutboxID)
		} else if h.InboxID != nil {
			where = fmt.Sprintf("inbox %d", *h.InboxID)
		}
		if h.Reason != nil {
			end += " " + *h.Reason
		}
		if h.Note != nil && *h.Note != "" {
			end += " (" + *h.Note + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", status.Clock(h.At), where, h.Type, end)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}
