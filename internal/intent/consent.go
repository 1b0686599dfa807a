package intent

import (
	"encoding/json"
	"strings"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// Evidence is what a lead.resubscribed says of the person's consent: {"consent": {"at": ..., "source": ...}} in its
// properties. at is RFC 3339 or unix ms.
type Evidence struct {
	At     int64 // unix ms, never later than the row itself; 0 = there is none
	Source string
}

// maxSource bounds how much of a source is sent.
const maxSource = 500

// parseConsent takes the word of a row that speaks of consent, and the address of an unsubscribe: they count also when
// the rest of it is bad.
func (r *Row) parseConsent() {
	switch r.Event {
	case outbox.Unsubscribed:
		r.Consent = ledger.Out
		if r.Email != nil {
			if a, err := lead.NormalizeAddress(*r.Email); err == nil {
				r.Address = string(a)
			}
		}
	case outbox.Resubscribed:
		r.Consent = ledger.In
	}
}

// SaidAt is when the event happened, unix ms: what the application says, but not later than the row was written.
func (r *Row) SaidAt() int64 {
	if r.OccurredAt != nil && *r.OccurredAt < r.CreatedAt {
		return *r.OccurredAt
	}
	return r.CreatedAt
}

// parseEvidence takes the evidence out of the properties of a row that speaks of consent and returns the others. Text
// that is not what it should be is returned as it is: the check of the properties says what is wrong.
func (r *Row) parseEvidence(properties []byte) []byte {
	if r.Consent == "" {
		return properties
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(properties, &all) != nil {
		return properties
	}
	raw, there := all["consent"]
	if !there {
		return properties
	}
	delete(all, "consent")
	rest, err := json.Marshal(all)
	if err != nil {
		return properties
	}
	var said struct {
		At     json.RawMessage `json:"at"`
		Source string          `json:"source"`
	}
	if json.Unmarshal(raw, &said) != nil {
		return rest
	}
	at, source := instant(said.At), strings.TrimSpace(said.Source)
	if at > 0 && source != "" && cleanText(source) {
		r.Evidence = Evidence{min(at, r.CreatedAt), lead.Cut(source, maxSource)}
	}
	return rest
}

// instant reads RFC 3339 or a number of ms; 0 when it is neither.
func instant(raw json.RawMessage) int64 {
	var ms int64
	if json.Unmarshal(raw, &ms) == nil {
		return ms
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// HasConsent reports whether the row has a word that counts: a repeated event has none, and a bad resubscribe neither.
func (r *Row) HasConsent() bool {
	return r.Consent != "" && (r.End == nil || r.Consent == ledger.Out && r.End.State == outbox.Dead)
}
