package store

import (
	"testing"
	"time"
	"unsafe"
)

// A machine that was suspended stops the monotonic clock, one whose clock is set jumps the wall clock, forwards or
// back. Whatever happens, a lease never seems younger than either clock says (design, one owner per portal).
func TestLeaseUnderClocksThatJump(t *testing.T) {
	const request = 15 * time.Second
	for _, c := range []struct {
		name            string
		monotonic, wall time.Duration // since the lease was taken
		outlives        bool
	}{
		{"both go on", 9 * time.Second, 9 * time.Second, true},
		{"both at the end", leaseLength - request, leaseLength - request, false},
		{"suspended for an hour", time.Second, time.Hour, false},
		{"the wall clock set on by twenty seconds", time.Second, 21 * time.Second, false},
		{"the wall clock set back by an hour, lease fresh", 9 * time.Second, -time.Hour, true},
		{"the wall clock set back by an hour, lease old", 20 * time.Second, -time.Hour, false},
	} {
		l := &Lease{length: leaseLength, taken: before(t, time.Now(), c.monotonic, c.wall)}
		if got := l.Outlives(request); got != c.outlives {
			t.Errorf("%s: outlives a request: %t, want %t", c.name, got, c.outlives)
		}
		l.lose()
		if l.Outlives(0) {
			t.Errorf("%s: a lease that was lost outlives something", c.name)
		}
	}
}

// before is a time that lies back by different amounts on the two clocks, which no function of package time makes. It
// reaches into time.Time, whose second word is the monotonic reading, and says so when that is no longer true.
func before(t *testing.T, now time.Time, monotonic, wall time.Duration) time.Time {
	t.Helper()
	then := now.Add(-wall) // moves both
	reading := (*int64)(unsafe.Add(unsafe.Pointer(&then), 8))
	*reading += int64(wall - monotonic)
	if now.Sub(then) != monotonic || now.Round(0).Sub(then.Round(0)) != wall {
		t.Fatalf("time.Time is not made as this test thinks: %s and %s", now.Sub(then), now.Round(0).Sub(then.Round(0)))
	}
	return then
}

// TestLeaseOutlivesTheLongestRequest: whatever hubspot.timeout is, a request may start for a while after each renewal.
func TestLeaseOutlivesTheLongestRequest(t *testing.T) {
	for _, request := range []time.Duration{time.Second, 15 * time.Second, 30 * time.Second, 5 * time.Minute} {
		l := &Lease{length: leaseFor(request), taken: time.Now().Add(-renewEvery - time.Second)}
		if !l.Outlives(request) {
			t.Errorf("no request of %s could start a second after the lease was due for renewal", request)
		}
	}
	if took := leaseFor(15*time.Second) + 2*rowGrace; took > 28*time.Second {
		t.Errorf("a standby has the portal after %s, without the two seconds between its questions", took)
	}
}

// TestOldestServers: hidden columns are MySQL's since 8.0.23.
func TestOldestServers(t *testing.T) {
	for version, want := range map[string]bool{
		"8.0.22": false, "8.0.0": false, "5.7.44": false, "8.0.23": true, "8.0.23-0ubuntu0": true, "8.4.0": true, "9.1.0": true,
		"10.5.27-MariaDB": false, "10.6.1-MariaDB": true, "5.5.5-10.6.1-MariaDB": true, "10.11.19-MariaDB-0+deb12u1": true, "11.4.2-MariaDB": true,
	} {
		if _, err := binaryCollation(version); (err == nil) != want {
			t.Errorf("%s: %v, want it taken: %t", version, err, want)
		}
	}
}
