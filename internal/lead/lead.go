// Package lead holds the words every other package shares about one person: the application's id of the lead, HubSpot's
// id of the contact, and the e-mail address in the one form in which leadsync compares and sends it.
//
// It is pure: no I/O, no clock, no other package of this module.
//
// Design: the address is normalised here and nowhere else (trimmed, lower case), because HubSpot stores addresses in
// lower case and two spellings of one address must never become two contacts. Gmail dots and plus tags are left alone:
// HubSpot does not fold them, so folding here would join two people. Public documentation of HubSpot's own rules:
// https://legacydocs.hubspot.com/docs/faq/how-does-hubspot-validate-email-addresses (read 2026-11-22).
package lead

import "errors"

// ID is the application's stable id of a lead. Compared byte by byte: 'Ab', 'aB' and 'Ab ' are three leads.
type ID string

// MaxIDLength is the longest lead id, in bytes, that leadsync keeps a link for; a longer one is dead as
// lead_id_too_long.
const MaxIDLength = 255

// ContactID is HubSpot's id of a contact, a decimal string. Empty means: no contact.
type ContactID string

// Sentinels that the store maps its engine's errors to, so that callers need not import it.
var (
	// ErrDuplicate is returned when a unique value is already taken.
	ErrDuplicate = errors.New("already there")
	// ErrNotFound is returned when the row asked for does not exist.
	ErrNotFound = errors.New("not found")
)
