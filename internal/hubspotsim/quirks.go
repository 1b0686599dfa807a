package hubspotsim

import (
	"fmt"
	"slices"
)

// Quirks are the facts that nobody has documented: each is a switch, and a test that depends on one runs under both
// answers. The zero value is the likeliest portal. The names are those of POST /_sim/quirks.
type Quirks struct {
	// UpsertByEmailBlanks: an upsert by address clears what it leaves out ("partial upserts are not supported when using
	// email", https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide).
	UpsertByEmailBlanks bool `json:"upsert_by_email_blanks"`
	// TraceOnSuccess: objectWriteTraceId is filled in results too, not only in errors.
	TraceOnSuccess bool `json:"trace_on_success"`
	// Partial200: a batch with failed rows answers 200 instead of 207; the 2026-09 description lists no 207.
	Partial200 bool `json:"partial_200"`
	// DetailedRowErrors: a row's error carries errors[] with a code and property names, besides the message.
	DetailedRowErrors bool `json:"detailed_row_errors"`
	// KeepOldAddress: a changed address leaves the old one as an additional address instead of freeing it.
	KeepOldAddress bool `json:"keep_old_address"`
	// TakenIs400: changing an address to one that another contact holds answers 400 instead of 409.
	TakenIs400 bool `json:"taken_is_400"`
	// SecondaryMisses: batch read and upsert by an additional address do not find the contact. A single GET always does.
	SecondaryMisses bool `json:"secondary_misses"`
	// DefaultsOnly: an update's answer shows the default properties only, not the ones that were written.
	DefaultsOnly bool `json:"defaults_only"`
	// Whole400 refuses a batch as a whole for one bad row even when every row has a trace id: "" = never, "named" = the
	// body names the bad properties, "unnamed" = it names nothing.
	Whole400 string `json:"whole_400"`
	// ArchivedConflicts: creating a contact with the address of an archived one is a conflict instead of a new contact.
	ArchivedConflicts bool `json:"archived_conflicts"`
	// MergeKeepsPrimaryID: the survivor of a merge keeps the primary's id (public beta) instead of getting a new one.
	MergeKeepsPrimaryID bool `json:"merge_keeps_primary_id"`
	// PurgeMissing404: a privacy deletion of an id that no contact has answers 404 instead of 204.
	PurgeMissing404 bool `json:"purge_missing_404"`
	// ReadFollowsMerges: batch read of a merged-away id gives the survivor instead of naming the id as not found.
	ReadFollowsMerges bool `json:"read_follows_merges"`
	// DuplicateFoldsCase: two addresses that differ in case only count as the same id within a batch.
	DuplicateFoldsCase bool `json:"duplicate_folds_case"`
	// OptoutBumpsModified: an opt-out moves lastmodifieddate.
	OptoutBumpsModified bool `json:"optout_bumps_modified"`
	// RestoreKeepsModified: taking a contact out of the recycle bin does not move lastmodifieddate.
	RestoreKeepsModified bool `json:"restore_keeps_modified"`
	// SubscribeAfterAll is what SUBSCRIBED with one type does to an address that is opted out of all e-mail: "" = the
	// type's own status changes, and the opt-out of all stays; "lifts" = it ends, and the address stays opted out of the
	// other types; "refused" = 400.
	SubscribeAfterAll string `json:"subscribe_after_all"`
	// LegalBasisRequired: a status needs legalBasis and legalBasisExplanation, as the guide says of accounts with the data
	// privacy settings on. One live account with them took a status without.
	LegalBasisRequired bool `json:"legal_basis_required"`
	// ConsentWhole400: one bad input refuses a batch on subscriptions as a whole.
	ConsentWhole400 bool `json:"consent_whole_400"`
	// Consent207: a batch on subscriptions with refused inputs answers 207 as one on contacts does; the description has
	// 200 only.
	Consent207 bool `json:"consent_207"`
	// ConsentErrorsUnnamed: an error of a batch on subscriptions does not say whose it is.
	ConsentErrorsUnnamed bool `json:"consent_errors_unnamed"`
	// RewritesValues: text is trimmed and multi-select values are put in the order of the options.
	RewritesValues bool `json:"rewrites_values"`
	// NoWarnings: answers carry no warnings[] where a date was normalised.
	NoWarnings bool `json:"no_warnings"`
	// SearchShowsNow: what a search hit shows is what the contact holds now, instead of what the index, which lags, has of
	// it.
	SearchShowsNow bool `json:"search_shows_now"`
	// RotateRefresh: a refresh answers with a new refresh token, and the old one is dead at once.
	RotateRefresh bool `json:"rotate_refresh"`
	// LoginEndsOlder: a login ends the logins of the same app in the same account that were there before.
	LoginEndsOlder bool `json:"login_ends_older"`
	// OldTokenErrors: the token endpoint's refusals have status, message and correlationId, and no error.
	OldTokenErrors bool `json:"old_token_errors"`
	// BadHubIs403: BAD_HUB comes with 403, as it did in 2024, instead of 400.
	BadHubIs403 bool `json:"bad_hub_is_403"`
	// TokenPerSecond is how many requests the token endpoint takes in a second before it answers 429; 0 = any number.
	// HubSpot has such a limit (https://github.com/PostHog/posthog/pull/64726) and does not give its figure.
	TokenPerSecond int `json:"token_per_second"`
}

func (q Quirks) validate() error {
	if q.TokenPerSecond < 0 {
		return fmt.Errorf("token_per_second is %d, want 0 or more", q.TokenPerSecond)
	}
	if !slices.Contains([]string{"", "named", "unnamed"}, q.Whole400) {
		return fmt.Errorf("whole_400 is %q, want named, unnamed or nothing", q.Whole400)
	}
	if !slices.Contains([]string{"", "lifts", "refused"}, q.SubscribeAfterAll) {
		return fmt.Errorf("subscribe_after_all is %q, want lifts, refused or nothing", q.SubscribeAfterAll)
	}
	return nil
}

// SetQuirks replaces all switches. It fails on an unknown Whole400 or SubscribeAfterAll and on a negative
// TokenPerSecond.
func (s *Sim) SetQuirks(q Quirks) error {
	if err := q.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quirks = q
	return nil
}

// Quirks are the present switches.
func (s *Sim) Quirks() Quirks {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quirks
}

// mergeQuirks is the present switches with those that the JSON object names.
func (s *Sim) mergeQuirks(body []byte) (Quirks, error) {
	q := s.Quirks()
	if err := decodeStrict(body, &q); err != nil {
		return q, fmt.Errorf("read quirks: %w", err)
	}
	return q, s.SetQuirks(q)
}
