package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leadsync/internal/status"
	"leadsync/internal/store"
)

// maxSkew is how far two clocks may be apart. A minute is more than any request takes and far less than any window or
// token life.
const maxSkew = time.Minute

// database looks at the database and at what it says of the work. It returns why HubSpot must not be asked now, or "".
func (r *Report) database(ctx context.Context, in Input) (held string) {
	r.looked()
	if url, err := in.Config.DatabaseURL(); err == nil {
		if shared, ok := errors.AsType[*store.SharingError](store.CheckSharing(url.Reveal())); ok {
			r.wrong(checkDatabase, shared.Trouble, "the application's inserts and leadsync would lock each other out", shared.Cure)
		}
	}
	if in.Database == nil {
		what, cure := "the database was not opened", "bring it back, or correct database.url; `leadsync migrate status` tries again"
		switch {
		case errors.Is(in.OpenError, store.ErrNoDatabase):
			what, cure = "the database "+in.Config.Database.URL.String()+" does not exist", "create it with `leadsync migrate up`, or correct database.url"
		case in.OpenError != nil:
			what = in.OpenError.Error()
		}
		r.wrong(checkDatabase, what, "without it nothing is read or pushed; the application's rows are not lost", cure)
		return ""
	}
	r.inspect(ctx, in)
	current, latest, err := in.Database.Schema(ctx)
	r.looked()
	switch {
	case err != nil:
		r.wrong(checkDatabase, "the schema cannot be read: "+store.Cause(err), "nothing can be pushed", "see the cause; `leadsync migrate status` tries again")
		return ""
	case current < latest:
		r.wrong(checkDatabase, fmt.Sprintf("the schema is at version %d, this leadsync needs %d", current, latest), "the daemon refuses to start (exit code 78)", "run `leadsync migrate up`")
		return ""
	case current > latest:
		r.wrong(checkDatabase, fmt.Sprintf("the schema is at version %d, this leadsync knows %d", current, latest), "the daemon refuses to start (exit code 78)", "install a newer leadsync")
		return ""
	}
	r.personKey(in.KeyError)
	found, err := status.Collect(ctx, in.Database, status.Input{Version: in.Version, Portal: in.Config.Portal, AlertAfter: in.Config.Status.AlertAfter})
	if err != nil {
		r.wrong(checkDatabase, "how the work stands cannot be read: "+store.Cause(err), "nobody can say what waits", "see the cause; `leadsync status` tries again")
		return ""
	}
	found.Now = in.Now()
	return r.work(status.Build(found), in)
}

// personKey says when the tombstones of erased people do not hold.
func (r *Report) personKey(err error) {
	r.looked()
	switch {
	case err == nil:
	case errors.Is(err, store.ErrKeyLost), errors.Is(err, store.ErrKeyReplaced):
		r.wrong(checkDatabase, err.Error(), "the daemon refuses to start (exit code 78), since erased people would come back", store.KeyCure)
	default:
		r.wrong(checkDatabase, "the key of people's hashes cannot be used: "+store.Cause(err), "the daemon refuses to start", "see the cause; it is in leadsync_keys, sealed by "+
			"hubspot.auth.token_key_file")
	}
}

// largeJournal is more than a busy daemon has in the journal without a reader that stays.
const largeJournal = 64 << 20

func (r *Report) inspect(ctx context.Context, in Input) {
	before := in.Now()
	seen, err := in.Database.Inspect(ctx)
	after := in.Now()
	r.looked()
	if err != nil {
		r.wrong(checkDatabase, "the database does not answer: "+store.Cause(err), "nothing is read or pushed", "see the cause")
		return
	}
	r.fact(checkDatabase, "%s %s, %s", seen.Engine, seen.Version, seen.Mode)
	r.looked()
	switch {
	case seen.ReadOnly:
		r.wrong(checkDatabase, "the server takes no writes: "+seen.Mode, "no row can be settled", "connect to the primary server, or end its read-only mode")
	case seen.Engine == "SQLite" && seen.Mode != "wal":
		r.wrong(checkDatabase, "the SQLite file is in journal mode "+seen.Mode+", not wal", "every read of leadsync would block the application's inserts",
			"close other programs that hold the file, then start leadsync: it switches the mode; a file on a network share cannot have it")
	}
	r.looked()
	if seen.Journal > largeJournal {
		r.note(checkDatabase, fmt.Sprintf("the journal beside the SQLite file has %d MB", seen.Journal>>20), "a program reads in one transaction for long: what is written "+
			"meanwhile stays in the journal, the disk fills and reading gets slow", "end transactions that stay open, those that only read too; the journal gets small by itself then")
	}
	r.looked()
	if seen.Odd != "" {
		r.wrong(checkDatabase, "a session is not as leadsync sets it: "+seen.Odd, "what a lost process has locked may stay, or text and times may be read wrongly",
			"connect to the server itself, or tell what stands in between to leave the settings of a session alone")
	}
	if seen.Pooler {
		r.fact(checkDatabase, "a pooler stands in front of the server: nothing is kept in a session, push.notify has no effect")
	}
	if seen.Clock != 0 {
		r.looked()
		r.skew(checkDatabase, "the database server", time.UnixMilli(seen.Clock), before, after,
			"times of rows come from the server and waits from this machine")
	}
}

// skew compares a clock that was read between two moments of ours.
func (r *Report) skew(check, whose string, theirs, before, after time.Time, why string) {
	var off time.Duration
	switch {
	case theirs.Before(before):
		off = before.Sub(theirs)
	case theirs.After(after):
		off = theirs.Sub(after)
	}
	if off <= maxSkew {
		return
	}
	way := "behind"
	if theirs.After(after) {
		way = "ahead of"
	}
	r.wrong(check, fmt.Sprintf("the clock of %s is %s %s this machine's", whose, status.Elapsed(off), way), why, "set this machine's clock: timedatectl set-ntp true")
}
