// Package settlement holds what the loops and the database hand each other: what is read of a portal's rows and people,
// what one transaction writes, and the errors that each side must know by name. It guarantees nothing and decides
// nothing: it is types alone.
//
// Design: the loops do not import the package that knows SQL, and that one does not import the loops, so the types that
// both name stand below both. The rejected way was a type on each side and code in between that copied one into the
// other.
package settlement

import (
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// Settlement is what one request decided, written in one transaction under the portal lease: all of it or nothing.
type Settlement struct {
	// Outcomes name each row once. Rows that are not pending any more, or are of another portal, are left alone. What a
	// row says of a person is overwritten when it ends as erased.
	Outcomes []outbox.Outcome
	// Links name each lead once and replace what is stored. A link that gives a contact up may stand in the same
	// settlement as the one that takes it.
	Links []ledger.Link
	// Asked are creates that had no answer: what they may have made is the lead's.
	Asked []Unanswered
	// Withdraw takes fields out of inbox rows that are not acknowledged yet, before Inbox is added.
	Withdraw []inbox.Withdrawal
	// Inbox rows are added, in this order.
	Inbox []inbox.Row
	// High raises the portal's mark when it is higher; its CreatedAt 0 is the time of the settlement.
	High HighMark
}

// Page is what one transaction of pull writes under the portal lease: all of it or nothing.
type Page struct {
	HubID int64
	// Stream is the name of the stream, and Position its own JSON of where it stands when the page is written.
	Stream, Position string
	// Links replace what is stored of their leads. Each has a lead.
	Links []ledger.Link
	// Strangers replace what is stored of contacts without a lead (LeadID is empty, State is Linked or Gone); their key is
	// HubID and ContactID. They keep a contact from being told twice.
	Strangers []ledger.Link
	// Drop removes such rows: a lead has the contact now, or it is no more.
	Drop []lead.ContactID
	// Inbox rows are added, in this order.
	Inbox []inbox.Row
}

// HighMark is a settled row: its id and when the database wrote it, unix ms. Both come from the database, so no two
// clocks are compared.
type HighMark struct {
	ID        outbox.EntryID
	CreatedAt int64
}

// Raised is the higher one of both.
func (m HighMark) Raised(o HighMark) HighMark {
	if o.ID > m.ID {
		return o
	}
	return m
}

// Unanswered is a create of ours without an answer: who for, under which normalised address, and when it began, unix
// ms.
type Unanswered struct {
	HubID   int64
	Lead    lead.ID
	Address string
	At      int64
}
