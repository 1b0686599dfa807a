package push

import (
	"time"

	"leadsync/internal/batch"
	"leadsync/internal/contact"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/workqueue"
)

// hint is what the worker remembers of a lead between two jobs. It may be lost in a crash without harm: the rows are
// still pending, and every way to find out again stands in the plan.
type hint struct {
	until   time.Time // leave the lead alone before
	unknown bool      // a write had an unknown outcome: read back before anything is skipped, sent or declared dead
	lookup  bool      // look the addresses up before a create
	// take folds only the first rows; 0 = all. It narrows down a refusal that names no property.
	take int
	// size bounds the batch the lead goes out in; 0 = BatchSize. It narrows down a batch that fails while others succeed.
	size int
	// failedAt is when a request with the lead last ended without an answer about it, fails how often in a row; suspect:
	// it is asked for apart from leads that have not failed; permission: it waits for one.
	failedAt   time.Time
	fails      int
	suspect    bool
	permission bool
	// tried is the address of the last create whose outcome was unknown: a contact that has it is likely the lead's own.
	tried string
	// claims are addresses under which a contact of the lead may have been created that it is not linked to yet: no other
	// lead may look there before it is known, or it would take the contact for its own.
	claims []string
	// consent: the lead waits for the unsubscribe lane.
	consent bool
	// waits is since when a delete or an erase of the lead waits for it.
	waits time.Time
	// refused are values HubSpot refused by name, by row and property: the code.
	refused map[outbox.EntryID]map[string]string
}

// rest leaves the lead alone until a time of the clock, unix ms. It is kept as a distance from now: a clock that is set
// back moves it no more.
func (h *hint) rest(now time.Time, until int64) { h.until = now.Add(time.UnixMilli(until).Sub(now)) }

// wait is what keeps the lead from being read again.
func (h *hint) wait() workqueue.Wait {
	return workqueue.Wait{Until: h.until, Apart: h.suspect, FailedAt: h.failedAt}
}

func (h *hint) refuse(id outbox.EntryID, property, code string) {
	if h.refused == nil {
		h.refused = map[outbox.EntryID]map[string]string{}
	}
	if h.refused[id] == nil {
		h.refused[id] = map[string]string{}
	}
	h.refused[id][property] = code
}

// work is one lead in a job. One goroutine has it at a time.
type work struct {
	id     lead.ID
	rows   []*intent.Row    // pending rows that may be folded, in id order
	ids    []outbox.EntryID // all that were read, also those that are decided by now
	more   bool             // the store has further pending rows
	link   *ledger.Link
	dirty  bool // the link is to be written
	hint   *hint
	live   bool
	oldest int64         // commit time of the oldest row, unix ms
	top    HighMark      // of the newest row
	every  []*intent.Row // all rows that were read, whatever became of them
	closes bool          // a delete is among them
	past   []string      // addresses of given-up rows, by which a delete looks for the contact
	tomb   *Tomb         // the lead was erased
	fresh  bool          // there is no link yet
	// unnamed are addresses of erased people that unsubscribes name: they are opted out, and the link does not keep them.
	unnamed []string
	// claim is what the lead can say for itself where it has no contact and is deleted; asks are contacts of which a
	// person must say whose they are; touches is how many contacts its erase would touch; by is the evidence by which its
	// contact was found.
	claim   *claim
	asks    []lead.ContactID
	touches int
	by      Evidence
	claims  []string // addresses no other lead may use meanwhile

	plan  plan
	ended []outbox.Outcome // decided row by row, before or beside the fold
	inbox []InboxRow
	// blocked are addresses that cannot be written now, and why.
	blocked blockages

	// askedFor is the address that was looked up after a refusal that did not name it.
	askedFor string

	// fill is the ledger of a contact that is gone, when the lead is linked to another one: what it holds goes there too.
	// The link is written when that is done and not before, so that a crash between leads to a repeat.
	fill map[string]ledger.Field
	// before is the link as it was until then; its doubt, if any, is written at once.
	before *ledger.Link
	// unfit are properties whose value out of the ledger HubSpot refused.
	unfit map[string]bool

	// unmarked: the contact does not hold the lead's id in the id property yet. markTaken: HubSpot says that another
	// contact does.
	unmarked, markTaken bool

	waiting map[int]time.Duration // by attempts: how long rows that are put off wait

	unread bool // the pending rows were not read: a second look

	// met is what a request with the lead ended with instead of an answer about it, metWith how many leads it held;
	// resting: the rows say when the lead is due again.
	met     error
	metWith int
	resting bool
	// shownAgain counts how often HubSpot showed the contact after it had said that it is not there.
	shownAgain int
	// suspected: its opt-out failed in this job of the unsubscribe lane.
	suspected bool

	// Consent. words are the pending rows that speak of it, foldedWords those of them that are in the fold; heard is the
	// outbox id of the last word before this work. in is the resubscribe to carry out, outs are the addresses to opt out;
	// readBack: what HubSpot then holds is read once more.
	words       []*intent.Row
	foldedWords map[outbox.EntryID]bool
	heard       int64
	in          *intent.Row
	outs        []string
	readBack    bool
	survivor    string // the address of the contact that was kept in a merge, where it may have to be opted out too

	looked   bool // the addresses were looked up in this job
	byMark   bool // the next lookup asks for the id property alone
	marked   bool // it was asked for in this job
	read     bool // the contact was read in this job, and no write came after
	linked   bool // the contact was found by a lookup in this job
	unseen   bool // a 2xx named the lead nowhere
	doubtful bool // a delete waits for what an earlier request may still do
	// archived counts the requests that archived the contact in this job.
	archived int
	// doubt: a request about the lead may have done, or may still do, what is not known (see ledger.Link.InDoubt).
	doubt bool
	// maybeSent: one of the rows has a value that a request in doubt carried: what a reading shows may be its own work.
	maybeSent bool
	// late are values of requests in doubt that stand in the contact against the ledger, by property. What the ledger
	// holds goes there again.
	late      map[string]string
	newest    int64            // highest outbox id of any row of the lead, 0 = not read yet
	arrived   []*intent.Row    // pending rows that came after the others were read
	view      *contact.View    // the last reading of its contact
	told      []string         // properties that its inbox rows tell
	untaken   map[string]int64 // see Reader.Untaken; nil = not read yet
	unheard   map[string]bool  // properties whose value of HubSpot's a row of now may not know
	paying    []string         // properties whose owed value is written
	withdraw  []string         // properties whose told value a row of the lead was written over
	conflicts int              // properties that both sides changed
	// beside are the works that are held together with this one, by lead; nil in a job.
	beside    map[lead.ID]*work
	answer    answer
	again     bool // wants another round
	revisit   bool // has further rows to read at once
	forTypes  bool // waits for the subscription types, which cannot be read
	unsettled bool // its outcome could not be written
	done      bool
}

// blockages are addresses that cannot be written now.
type blockages map[string]blockage

func (b blockages) has(address string) bool {
	_, no := b[address]
	return no
}

// blockage says why an address cannot be written now.
type blockage struct {
	reason outbox.Reason // empty: the row waits without using an attempt
	note   string
	wait   time.Duration // for the one without a reason
	// correlationID is HubSpot's id of the request that met it.
	correlationID string
}

// answer is what one write request said about one lead.
type answer struct {
	kind    answerKind
	whole   bool // a conflict of the whole batch, which may be another lead's
	contact *contact.View
	refusal batch.Refusal
}

type answerKind int

const (
	unasked        answerKind = iota // no request with the lead was answered
	accepted                         // named in results
	refused                          // refused with a reason of its own
	conflict                         // another contact has the address
	missingContact                   // HubSpot has no such contact
	located                          // it had none, and where it went is known now
	unnamed                          // a 2xx that names it nowhere
	heldBack                         // refused like most of the batch, put off by the brake
	archived                         // the request that archives it succeeded
	notArchived                      // it was refused
)
