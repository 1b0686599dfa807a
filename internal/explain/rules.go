package explain

import "leadsync/internal/outbox"

// rules are the sentences behind each reason: what was decided and by which rule.
var rules = map[outbox.Reason]string{
	outbox.Unchanged:      "HubSpot was known to hold every value of it, so no write was made that changes nothing",
	outbox.Overtaken:      "later events of the lead had set everything it carries; events take effect in the order of their ids",
	outbox.Duplicate:      "its event_id was there before; an event counts once",
	outbox.Merged:         "the contact was merged into another lead's contact, which alone is written",
	outbox.ErasedPerson:   "the person was erased; nothing is written for an erased person",
	outbox.ConsentRefused: "an opt-in again is sent only when the configuration allows it and the event carries evidence",
	outbox.NotMapped:      "none of its fields is mapped",
	outbox.ByOperator:     "an operator skipped it; outbox retry brings it back",
	outbox.NoContact:      "there was no contact to act on",

	outbox.UnknownEventType: "its event_type is none of the six",
	outbox.InvalidJSON:      "its properties are no JSON",
	outbox.NotAnObject:      "its properties are no JSON object",
	outbox.NestedValue:      "a property holds an object or a list; properties are flat",
	outbox.TooLarge:         "its properties are over 1 MiB",
	outbox.InvalidText:      "it holds a NUL or invalid UTF-8",
	outbox.MissingLeadID:    "it has no lead_id",
	outbox.LeadIDTooLong:    "its lead_id is over 255 bytes",
	outbox.NoAddress:        "no event brought an address in time",
	outbox.InvalidEmail:     "its address is none, or HubSpot refused it; that cannot heal by itself",
	outbox.InvalidProperty:  "every field of it was refused, or one under push.on_invalid_field: dead",
	outbox.PortalRule:       "a rule of the HubSpot account refuses it",
	outbox.AddressTaken:     "another contact has the address; one contact has one lead, and an address is never taken from another",
	outbox.ContactGone:      "people archived the contact; only a newer lead.registered makes a fresh one",
	outbox.ContactPurged:    "the contact was erased in HubSpot for privacy; it does not come back",
	outbox.SharedContact:    "another lead has the contact too, or nothing shows that it is this lead's; an operator says whose it is, with --also or --leave",
	outbox.Refused:          "HubSpot refused the row and named no field",
	outbox.GaveUp:           "push.max_attempts tries failed for a reason of the row's own, while other rows went through",
	outbox.Panic:            "a defect of leadsync; the log has the stack",
}

// rule is the sentence about a row.
func rule(r *outbox.Entry) string {
	reason := outbox.Reason(deref(r.Reason))
	switch r.State {
	case outbox.Delivered:
		return "HubSpot named it in its answer, or a reading of the contact showed its values"
	case outbox.Pending:
		switch {
		case r.NotBefore != nil && *r.NotBefore == outbox.Parked:
			return "it waits for something other than time"
		case r.Attempts > 0:
			return "a try failed for a reason of its own; it is tried again with growing waits up to push.max_attempts"
		}
		return "not settled yet"
	}
	if text := rules[reason]; text != "" {
		return text
	}
	return "its reason is no word of this version"
}
