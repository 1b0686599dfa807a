package storetest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

const (
	portal = "default"
	hub    = int64(4711)
)

// numbered are the arguments of a statement, in order.
var numbered = regexp.MustCompile(`\$\d`)

// env is one test's database, seen by the store and by the application.
type env struct {
	*testing.T
	url string
	db  *store.DB
	app *sql.DB
}

// Run runs the contract on databases that newURL makes.
func Run(t *testing.T, newURL func(t testing.TB) string) { run(t, newURL, contracts()) }

func contracts() []contract {
	return []contract{
		{"FourColumnInsert", fourColumnInsert},
		{"FourColumnInsertByTool", fourColumnInsertByTool},
		{"AnythingCanBeInsertedAndRead", anythingGoes},
		{"LeadIDsAreBytes", leadIDsAreBytes},
		{"ReadyByLaneAndTime", readyByLaneAndTime},
		{"G7ConsentHasItsOwnReading", consentHasItsOwnReading},
		{"G2LateCommitIsFound", lateCommit},
		{"PendingOfLimits", pendingOfLimits},
		{"LargeProperties", largeProperties},
		{"LargeTexts", largeTexts},
		{"RowsOfNewest", rowsOfNewest},
		{"EarlierEvents", earlierEvents},
		{"ParkedRows", parkedRows},
		{"WaitsBeyondAreCut", waitsBeyondAreCut},
		{"PendingOfStopsAtTheFirst", pendingOfStopsAtTheFirst},
		{"SettleWritesEverything", settleWritesEverything},
		{"SettleLeavesSettledRowsAlone", settleLeavesSettledRowsAlone},
		{"SettleUnderOldEpochChangesNothing", settleUnderOldEpoch},
		{"SettleIsAllOrNothing", settleIsAllOrNothing},
		{"SettleManyRows", settleManyRows},
		{"OneContactOneLead", oneContactOneLead},
		{"LinksRoundTrip", linksRoundTrip},
		{"LinksThatOweAreFound", linksThatOwe},
		{"G1Account", account},
		{"AddIsIdempotent", addIsIdempotent},
		{"AddLargeRows", addLargeRows},
		{"TwoImportsAtOnce", twoImportsAtOnce},
		{"SettleLargeLedgers", settleLargeLedgers},
		{"ListFilters", listFilters},
		{"RequeueAndSkip", requeueAndSkip},
		{"PurgeKeepsIDsRising", purgeKeepsIDsRising},
		{"TwoDaemons", twoDaemons},
		{"LeaseEndsWithTheEpoch", leaseEndsWithTheEpoch},
		{"QuietBefore", quietBefore},
		{"PortalState", portalState},
		{"ReserveDaily", reserveDaily},
		{"KeysAreMadeOnce", keysAreMadeOnce},
		{"KeyStandsByItsTombstones", keyStandsByItsTombstones},
		{"KeysAreReplacedOnce", keysAreReplacedOnce},
		{"GrantRoundTrip", grantRoundTrip},
		{"ConnectKeepsThePortal", connectKeepsThePortal},
		{"GrantLease", grantLease},
		{"GrantLeaseTogether", grantLeaseTogether},
		{"ConnectTogether", connectTogether},
		{"MigrateTogether", migrateTogether},
		{"SchemaVersions", schemaVersions},
		{"ReadOnly", readOnly},
		{"Wakes", wakes},
		{"LanesArePaused", lanesArePaused},
		{"RequestsAreBounded", requestsAreBounded},
		{"WhatWaits", whatWaits},
		{"DueOfALane", dueOfALane},
		{"G1RowsNobodyLooksAtAreCounted", straysAreCounted},
		{"InspectTellsTheEngine", inspectTells},
		{"RowsOfAnotherPortal", rowsOfAnotherPortal},
		{"ErrorsHoldNoValues", errorsHoldNoValues},
		{"APageIsAllOrNothing", aPageIsAllOrNothing},
		{"StreamsAndStrangers", streamsAndStrangers},
		{"GoneAfter", goneAfter},
		{"PendingAddresses", pendingAddresses},
		{"InboxListAckPurge", inboxListAckPurge},
		{"G1AccountUnderFire", accountUnderFire},
		{"G9ErasePhases", erasePhases},
		{"G7EraseKeepsUnsubscribes", eraseKeepsUnsubscribes},
		{"G9EraseUnderOldEpochChangesNothing", eraseUnderOldEpoch},
		{"DeleteBrake", deleteBrake},
		{"DeleteBrakeCountsContacts", deleteBrakeCountsContacts},
		{"ContactsStayKnown", contactsStayKnown},
		{"G7OutByAddress", outByAddress},
		{"G7UnsubscribesAreFound", unsubscribesAreFound},
		{"ToldIsWithdrawn", toldIsWithdrawn},
	}
}

// RunPooled runs the contract behind a pooler, which has no session that could be read-only or listen.
func RunPooled(t *testing.T, newURL func(t testing.TB) string) {
	run(t, newURL, slices.DeleteFunc(contracts(), func(c contract) bool { return c.name == "ReadOnly" || c.name == "Wakes" }))
}

// RunServer runs the part of the contract that only an engine with a server can break.
func RunServer(t *testing.T, newURL func(t testing.TB) string) {
	run(t, newURL, []contract{
		{"ServerGoesAway", serverGoesAway},
		{"AnswerOfTheCommitIsLost", answerOfTheCommitIsLost},
		{"DeadlockIsRepeated", deadlock},
		{"ReaderOfTheInboxStallsNobody", readerOfTheInboxStallsNobody},
		{"EveryStatementEndsInTime", everyStatementEnds},
		{"NextOwnerWhateverTheOwnerWasDoing", nextOwner},
	})
}

// RunPostgres runs what only PostgreSQL has.
func RunPostgres(t *testing.T, newURL func(t testing.TB) string) {
	run(t, newURL, []contract{{"InboxIsAnnounced", inboxIsAnnounced}})
}

type contract struct {
	name string
	run  func(*env)
}

func run(t *testing.T, newURL func(t testing.TB) string, tests []contract) {
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url := newURL(t)
			tc.run(&env{T: t, url: url, db: Open(t, url), app: App(t, url)})
		})
	}
}

// must fails the test on an error.
func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// insert adds a plain row as the application and returns its id.
func (e *env) insert(leadID, properties string) outbox.EntryID {
	e.Helper()
	return e.insertWith(`lead_id, event_type, email, properties`, `$1, 'lead.registered', 'ada@example.com', $2`, leadID, properties)
}

func (e *env) insertWith(columns, values string, args ...any) outbox.EntryID {
	e.Helper()
	var id outbox.EntryID
	switch e.db.Dialect() {
	case "sqlite":
		values = strings.ReplaceAll(values, "$", "?")
	case "mysql": // an application on MySQL has no RETURNING
		res, err := e.app.ExecContext(e.Context(), `INSERT INTO lead_outbox (`+columns+`) VALUES (`+numbered.ReplaceAllString(values, "?")+`)`, args...)
		e.must(err)
		n, err := res.LastInsertId()
		e.must(err)
		return outbox.EntryID(n)
	}
	e.must(e.app.QueryRowContext(e.Context(), `INSERT INTO lead_outbox (`+columns+`) VALUES (`+values+`) RETURNING id`, args...).Scan(&id))
	return id
}

func (e *env) acquire(owner string) *store.Lease {
	e.Helper()
	l, err := e.db.Acquire(e.Context(), portal, owner)
	e.must(err)
	e.Cleanup(func() { _ = l.Release(e.Context()) })
	return l
}

func (e *env) entry(id outbox.EntryID) outbox.Entry {
	e.Helper()
	all, err := e.db.Operator().Entries(e.Context(), []outbox.EntryID{id})
	e.must(err)
	if len(all) != 1 {
		e.Fatalf("row %d: found %d times", id, len(all))
	}
	return all[0]
}

func (e *env) ready(lane outbox.Lane) []outbox.EntryID {
	e.Helper()
	rows, err := e.db.View(portal).Ready(e.Context(), lane, 0, 1000)
	e.must(err)
	return idsOf(rows)
}

// decided is a settlement with the lease under which and the moment in which it is written.
type decided struct {
	Lease    *store.Lease
	Now      int64
	Outcomes []outbox.Outcome
	Links    []ledger.Link
	Asked    []settlement.Unanswered
	Inbox    []inbox.Row
	HighID   outbox.EntryID
}

// own is the portal of a lease at a moment.
func own(db *store.DB, l *store.Lease, at int64) *store.Portal {
	return db.Portal(l, store.PortalConfig{Hash: hash, Now: func() time.Time { return time.UnixMilli(at) }})
}

// hash has the length of the keyed hashes of tombstones, and no digit that could be a contact's.
func hash(kind, text string) string {
	sum := sha256.Sum256([]byte(kind + " " + text))
	return strings.Map(func(r rune) rune { return 'g' + r%16 }, hex.EncodeToString(sum[:]))
}

func settle(ctx context.Context, db *store.DB, s decided) (int, error) {
	return own(db, s.Lease, s.Now).Settle(ctx, settlement.Settlement{Outcomes: s.Outcomes, Links: s.Links, Asked: s.Asked, Inbox: s.Inbox,
		High: settlement.HighMark{ID: s.HighID}})
}

func (e *env) settle(s decided) int {
	e.Helper()
	n, err := settle(e.Context(), e.db, s)
	e.must(err)
	return n
}

func (e *env) same(what string, got, want []outbox.EntryID) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func idsOf(rows []settlement.ReadyRow) []outbox.EntryID {
	ids := []outbox.EntryID{}
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func entryIDs(rows []outbox.Entry) []outbox.EntryID {
	ids := []outbox.EntryID{}
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func delivered(id outbox.EntryID) outbox.Outcome {
	return outbox.Outcome{ID: id, State: outbox.Delivered, ContactID: "901"}
}

func linked(id lead.ID, contact lead.ContactID) ledger.Link {
	return ledger.Link{Portal: portal, HubID: hub, LeadID: id, State: ledger.Linked, ContactID: contact, Address: string(contact) + "@example.com"}
}

func ptr[T any](v T) *T { return &v }

func deref(s *string) string {
	if s == nil {
		return "NULL"
	}
	return *s
}

func (e *env) wants(err, target error) {
	e.Helper()
	if !errors.Is(err, target) {
		e.Errorf("got error %v, want %v", err, target)
	}
}
