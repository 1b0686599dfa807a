package hubspotsim

import (
	"maps"
	"time"
)

// Stats is what a Sim saw since it was made or reset. Admin requests are in none of the figures. Times are unix ms.
type Stats struct {
	// Requests are all API requests, refused ones too; Ops, Statuses, Faults (by kind) and Limited (429 by policyName,
	// those of the token endpoint under "token", injected ones under "fault") break them up. An answer that was never
	// given has the status "none". Visits to the authorize page are in Ops alone.
	Requests int            `json:"requests"`
	Ops      map[string]int `json:"ops"`
	Statuses map[string]int `json:"statuses"`
	Faults   map[string]int `json:"faults"`
	Limited  map[string]int `json:"limited"`
	// Unauthorized are those without a usable token, faults not counted; they count against no limit.
	Unauthorized int `json:"unauthorized"`
	// TokenRequests are those to the token endpoint, whatever came of them. Refreshes and Exchanges are those that it
	// granted, also when the answer was lost.
	TokenRequests int `json:"token_requests"`
	Refreshes     int `json:"refreshes"`
	Exchanges     int `json:"exchanges"`
	// OtherAccount are requests with a token of the second account, but for its account details: none, when a client looks
	// whose token it has before it sends anything.
	OtherAccount int `json:"other_account"`
	// WriteRequests are those let through that create, update, upsert, archive, merge or purge.
	WriteRequests int `json:"write_requests"`
	// ConsentWrites are those let through that write subscriptions; they are in none of the figures about contacts.
	ConsentWrites int `json:"consent_writes"`
	// Created, Updated and Unchanged are rows of contact writes: Unchanged were written and held these values already.
	Created   int `json:"rows_created"`
	Updated   int `json:"rows_updated"`
	Unchanged int `json:"rows_unchanged"`
	Refused   int `json:"rows_refused"`
	// Erased are contacts that came to have, by a write of an app, the address of a privacy deletion: HubSpot lets that
	// happen (https://knowledge.hubspot.com/privacy-and-consent/how-do-i-perform-a-gdpr-delete-in-hubspot).
	Erased int `json:"erased_written"`
	// Read are contacts given out by read operations.
	Read int `json:"rows_read"`
	// BytesIn and BytesOut are bodies.
	BytesIn  int64 `json:"bytes_in"`
	BytesOut int64 `json:"bytes_out"`
	FirstAt  int64 `json:"first_at"`
	LastAt   int64 `json:"last_at"`
	// MaxInWindow is the most requests in any window, Window its length in ms, Limit what was allowed (0 = any number).
	MaxInWindow int   `json:"max_in_window"`
	Window      int64 `json:"window_ms"`
	Limit       int   `json:"limit"`
	DayUsed     int   `json:"day_used"`
	// BudgetUsed is the share of the window's limit, in percent, that was used from the first write request to the last:
	// how fully a client with work queued uses its budget. 0 without a limit.
	BudgetUsed float64 `json:"budget_used_percent"`
	// Early are requests that came after the answer of a 429 or 477 and before its time was over.
	Early int `json:"early_requests"`
	// Untraced are batch writes of two or more rows that lacked a unique objectWriteTraceId on a row; Undated are requests
	// on other paths than the dated ones; Nameless are requests without a User-Agent of leadsync; SecretsInURL are those
	// with a token, code or secret in the address.
	Untraced     int `json:"untraced_batches"`
	Undated      int `json:"undated_paths"`
	Nameless     int `json:"nameless_requests"`
	SecretsInURL int `json:"secrets_in_url"`
	// Contacts are the live ones of the first account at present.
	Contacts int `json:"contacts"`
}

// Stats are the figures so far. The caller owns the maps.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Ops, st.Statuses, st.Faults, st.Limited = maps.Clone(st.Ops), maps.Clone(st.Statuses), maps.Clone(st.Faults), maps.Clone(st.Limited)
	st.MaxInWindow, st.Window, st.Limit = s.window.most, s.cfg.Window.Milliseconds(), s.cfg.Limit
	st.DayUsed, st.Contacts = s.dayUsed, s.live
	return st
}

// ResetStats sets the counters to zero and leaves contacts, limits in use and faults as they are.
func (s *Sim) ResetStats() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := newBooks(s.cfg)
	s.stats, s.firstWrite = fresh.stats, time.Time{}
	s.window.most = s.window.n
}

// countWrite keeps the figure of how fully the budget is used between the first write and the last.
func (s *Sim) countWrite(now time.Time) {
	s.stats.WriteRequests++
	if s.firstWrite.IsZero() {
		s.firstWrite, s.afterFirst = now, s.passed
	}
	if s.cfg.Limit > 0 && now.After(s.firstWrite) {
		allowed := float64(s.cfg.Limit) * now.Sub(s.firstWrite).Seconds() / s.cfg.Window.Seconds()
		s.stats.BudgetUsed = 100 * float64(s.passed-s.afterFirst) / allowed
	}
}
