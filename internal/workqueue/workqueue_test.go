package workqueue

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/lead"
)

type ids = []lead.ID

func newQueue() *Queue { return New(time.Now, func() {}) }

func same(t *testing.T, what string, got, want ids) {
	t.Helper()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// A lead has one hand, and is claimed again when that is done. What waits or is reserved comes back by itself; what
// another hand has is that one's to add.
func TestClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		same(t, "first", q.Claim(ids{"a", "b", "a"}, false), ids{"a", "b"})
		if q.ClaimOne("a") || !q.ClaimOne("c") {
			t.Error("one hand a lead")
		}
		q.Delay("d", Wait{Until: time.Now().Add(time.Minute)})
		q.Delay("e", Wait{Apart: true})
		same(t, "second", q.Claim(ids{"a", "c", "d", "e", "f"}, false), ids{"f"})
		q.Done("a")
		q.Done("c")
		same(t, "due", q.Due(10, 10), ids{"e"})
		if d := q.NextDue(time.Hour); d != time.Minute {
			t.Errorf("next in %s", d)
		}
		time.Sleep(time.Minute)
		same(t, "due later", q.Due(10, 10), ids{"d", "e"})
		same(t, "they stay due", q.Due(10, 0), ids{"d"})
		same(t, "third", q.Claim(ids{"a", "d", "e"}, true), ids{"a", "d", "e"})
		if d := q.NextDue(0); d >= 0 {
			t.Errorf("next in %s with nothing to do", d)
		}
	})
}

// What is added while a hand has the lead is due when it is done; AddFree leaves it to that hand. Forget ends mark and
// wait.
func TestAdd(t *testing.T) {
	q := newQueue()
	q.Claim(ids{"a", "b"}, false)
	q.Add("a")
	q.AddFree("b")
	q.AddFree("c")
	same(t, "due", q.Due(10, 10), ids{"c"})
	q.Done("a")
	q.Done("b")
	same(t, "due later", q.Due(10, 10), ids{"a", "c"})
	q.Delay("a", Wait{Until: time.Now().Add(time.Hour)})
	q.Forget("a")
	same(t, "forgotten", q.Due(10, 10), ids{"c"})
	same(t, "and free", q.Claim(ids{"a"}, false), ids{"a"})
	q.Delay("c", Wait{Until: time.Now().Add(time.Hour)})
	q.Delay("c", Wait{})
	same(t, "waits no more", q.Due(10, 10), ids{"c"})
}

// Due is bounded; of the leads that failed the one that failed longest ago goes first.
func TestDueIsBounded(t *testing.T) {
	q := newQueue()
	for i, id := range (ids{"a", "b", "c", "x", "y", "z"}) {
		if q.Add(id); i > 2 {
			q.Delay(id, Wait{Apart: true, FailedAt: time.Unix(int64(100-i), 0)})
		}
	}
	got := q.Due(2, 2)
	if len(got) != 4 || got[2] != "z" || got[3] != "y" {
		t.Errorf("due %v", got)
	}
	if got := q.Due(-1, -1); len(got) != 0 {
		t.Errorf("due %v", got)
	}
	if d := q.NextDue(time.Minute); d != 0 {
		t.Errorf("next in %s", d)
	}
}

// Who comes first gets a free lead at once, and another when it is let go: nobody else claims it before.
func TestPreempt(t *testing.T) {
	q := newQueue()
	q.Delay("a", Wait{Until: time.Now().Add(time.Hour)})
	if !q.TakeOver("a") || q.Preempted("a") || q.TakeOver("a") || !q.Preempted("a") || !q.AnyPreempted() {
		t.Error("a lead is taken once")
	}
	same(t, "not free", q.PreemptedFree(), nil)
	q.Add("a")
	q.Done("a")
	same(t, "asked for", q.PreemptedFree(), ids{"a"})
	q.Delay("a", Wait{})
	same(t, "claimed", q.Claim(ids{"a"}, true), nil)
	same(t, "due", q.Due(10, 10), nil)
	if q.NextDue(0) >= 0 || !q.TakeOver("a") || q.AnyPreempted() {
		t.Error("it is the turn of the one who comes first")
	}
	q.Preempt("b")
	q.EndPreempt("b")
	same(t, "asked for no more", q.Due(10, 10), nil)
	q.Preempt("c")
	q.EndPreempts()
	same(t, "all asked for are due", q.Due(10, 10), ids{"c"})
}

// Addresses are one lead's, all or none, until they are released.
func TestAddresses(t *testing.T) {
	q := newQueue()
	if taken := q.ClaimAddresses("a", []string{"1", "2"}); taken != nil {
		t.Errorf("taken %v", taken)
	}
	if taken := q.ClaimAddresses("b", []string{"3", "2"}); !slices.Equal(taken, []string{"2"}) {
		t.Errorf("taken %v", taken)
	}
	if taken := q.ClaimAddresses("c", []string{"3"}); taken != nil {
		t.Errorf("b took a part: %v", taken)
	}
	q.ReleaseAddresses("b", []string{"1", "2"})
	if taken := q.ClaimAddresses("a", []string{"2", "4"}); taken != nil {
		t.Errorf("taken %v", taken)
	}
	q.ReleaseAddresses("a", []string{"2"})
	if taken := q.ClaimAddresses("b", []string{"1", "2", "4"}); !slices.Equal(taken, []string{"1", "4"}) {
		t.Errorf("taken %v", taken)
	}
}

// A reservation waits for every hand and keeps new ones away; one that gives up holds nothing, and who had to wait is
// called.
func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wakes := 0
		q := New(time.Now, func() { wakes++ })
		q.Claim(ids{"b"}, false)
		gaveUp := errors.New("gave up")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gaveUp)
		defer cancel()
		if _, err := q.Reserve(ctx, ids{"b", "a"}); !errors.Is(err, gaveUp) {
			t.Errorf("error %v", err)
		}
		if q.AnyReserved() || !q.ClaimOne("a") {
			t.Error("one that gave up holds a lead")
		}
		q.Done("a")
		go func() {
			time.Sleep(time.Minute)
			if q.ClaimOne("d") || q.TakeOver("d") || len(q.Claim(ids{"d"}, true)) > 0 {
				t.Error("a lead was taken that a reservation waits for others with")
			}
			q.EndPreempt("d")
			q.Done("b")
		}()
		release, err := q.Reserve(t.Context(), ids{"b", "a", "b", "d"})
		if err != nil || !q.Reserved("a") || q.Reserved("c") || q.ClaimOne("a") {
			t.Fatalf("error %v", err)
		}
		same(t, "claimed", q.Claim(ids{"a", "c"}, true), ids{"c"})
		same(t, "due", q.Due(10, 10), nil)
		if q.NextDue(0) >= 0 || q.TakeOver("a") || wakes != 2 {
			t.Errorf("%d wakes", wakes)
		}
		q.EndPreempt("a")
		release()
		release()
		same(t, "due after it", q.Due(10, 10), ids{"a", "d"})
		if q.AnyReserved() || wakes != 3 {
			t.Errorf("%d wakes", wakes)
		}
	})
}
