package pull

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/testsize"
)

// endless is a HubSpot with many contacts, which it makes up as they are asked for.
type endless struct {
	script
	left, next int
}

func (e *endless) Search(context.Context, hubspot.SearchRequest) (*hubspot.Page, error) {
	n := min(e.left, pageSize)
	page := &hubspot.Page{Total: e.left, Date: noon, Contacts: make([]hubspot.Contact, n)}
	for i := range n {
		value := fmt.Sprintf("a value of contact %d, some fifty characters long ...", e.next+i)
		page.Contacts[i] = hubspot.Contact{ID: lead.ContactID(fmt.Sprint(e.next + i)), Properties: map[string]*string{"company": &value, "email": &value}}
	}
	e.left, e.next = e.left-n, e.next+n
	return page, nil
}

// A million contacts of history take no more memory than a few pages.
func TestScanMemoryIsFlat(t *testing.T) {
	n := testsize.Of(1_000_000, 50_000)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	store := newMemory()
	store.fail = func(int) error { store.pages = nil; return nil }
	before, most, pages := heap(), uint64(0), 0
	got, err := newPuller(&endless{left: n, next: 1}, &nobody{}, store).Run(t.Context(), OptOut, RunOptions{Progress: func(Position) {
		if pages++; pages%500 == 0 {
			most = max(most, heap())
		}
	}})
	if err != nil || got.Seen != n {
		t.Fatalf("%+v, %v", got, err)
	}
	if grown := int64(most) - int64(before); grown > 8<<20 {
		t.Errorf("%d contacts took %d MiB", n, grown>>20)
	} else {
		t.Logf("%d contacts took %d KiB", n, grown>>10)
	}
}
