package importer

import (
	"context"
	"fmt"
	"io"

	"leadsync/internal/outbox"
)

// Adder puts entries into the outbox in one transaction. An entry whose event id is in the outbox already, or earlier
// in the slice, is counted as already there and not added.
type Adder interface {
	Add(ctx context.Context, entries []outbox.Entry) (added, already int, err error)
}

// Source is a file to import.
type Source struct {
	Name    string // as in the messages
	Reader  io.Reader
	Options Options
	// Bad is called for every refused record; nil ignores them, the count stays.
	Bad func(line int, err error)
	// Progress, when set, is called after every batch with the records and bytes read so far.
	Progress func(records, bytes int64)
}

// Result counts the records of an import.
type Result struct {
	Imported     int `json:"imported"`
	AlreadyThere int `json:"already_there"`
	Refused      int `json:"refused"`
}

// String is the last line of `outbox add`.
func (r Result) String() string {
	return fmt.Sprintf("imported %d, already there %d, refused %d", r.Imported, r.AlreadyThere, r.Refused)
}

// Bounds of one batch. The bytes keep memory flat when every record is as large as it may be.
const (
	batchRecords = 500
	batchBytes   = 4 << 20
)

// Import adds the records of src to the outbox, batch by batch. On an error the result counts what is in the outbox for
// good; running the import again adds the rest only.
func Import(ctx context.Context, src Source, store Adder) (Result, error) {
	var (
		res   Result
		batch []outbox.Entry
		size  int
		done  int64
	)
	in := &counter{r: src.Reader}
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		added, already, err := store.Add(ctx, batch)
		if err != nil {
			return fmt.Errorf("add to the outbox: %w", err)
		}
		// Commit point: the transaction is over, so these records are never lost; a crash from here on makes them
		// "already there" in the next run.
		res.Imported += added
		res.AlreadyThere += already
		clear(batch)
		batch, size = batch[:0], 0
		if src.Progress != nil {
			src.Progress(done, in.n)
		}
		return nil
	}
	err := Read(ctx, in, src.Name, src.Options, func(r Record) error {
		done++
		batch = append(batch, r.Entry)
		size += entrySize(&r.Entry)
		if len(batch) >= batchRecords || size >= batchBytes {
			return flush()
		}
		return nil
	}, func(line int, err error) {
		done++
		res.Refused++
		if src.Bad != nil {
			src.Bad(line, err)
		}
	})
	if err != nil {
		return res, err
	}
	return res, flush()
}

func entrySize(e *outbox.Entry) int {
	size := int(e.PropertiesBytes)
	for _, s := range []*string{e.LeadID, e.Email, e.EventID} {
		if s != nil {
			size += len(*s)
		}
	}
	return size
}

// counter counts the bytes read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
