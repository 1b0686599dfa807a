package app

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// deadOwner is the name of a process of this machine, which is killed then, and another one of a process that lives
// until the test ends.
func deadOwner(t *testing.T) (dead, alive string) {
	t.Helper()
	names := make([]string, 2)
	for i := range names {
		child := exec.Command("sleep", "600")
		must(t, child.Start())
		names[i] = ownerName("host", child.Process.Pid, "ABCDEF")
		end := func() { _ = child.Process.Kill(); _ = child.Wait() }
		if i == 0 {
			end()
		} else {
			t.Cleanup(end)
		}
	}
	if place := placeOfPids(); place == "" || !strings.Contains(names[0], place) {
		t.Fatal("this kernel does not tell where a process lives")
	}
	return names[0], names[1]
}

// Only a process of this place is proven to be gone, and only when it is; whatever is not sure counts as alive.
func TestProvenGone(t *testing.T) {
	t.Parallel()
	dead, alive := deadOwner(t)
	pid, place := strconv.Itoa(os.Getpid()), placeOfPids()
	for owner, want := range map[string]bool{
		dead:  true,
		alive: false,
		"host:" + pid + ":ABCDEF-" + place + "-1":               true,  // the id is another process's now
		ownerName("host", os.Getpid(), "ABCDEF"):                false, // ourselves
		strings.Replace(dead, place, "0123456789abcdef", 1):     false, // another machine, boot or namespace
		strings.Replace(dead, place, "", 1):                     false,
		dead[:strings.LastIndex(dead, "-")]:                     false,
		dead[:strings.Index(dead, "-")]:                         false, // of a version before
		"host:1:ABCDEF-" + place + "-" + startOf(1):             false,
		"host:0:ABCDEF-" + place + "-1":                         false,
		"host:-1:ABCDEF-" + place + "-1":                        false,
		"":                                                      false,
		"doctor:" + pid:                                         false,
		"host:with:colons:" + dead[strings.Index(dead, ":")+1:]: true,
	} {
		if got := provenGone(owner); got != want {
			t.Errorf("%q is gone: %t, want %t", owner, got, want)
		}
	}
}

// A daemon that was killed has its portal again at once when it starts again on the same machine; the lease of a
// process that lives, or that lived elsewhere, runs out. What the dead one still writes is refused.
func TestNextOwnerDoesNotWaitForTheDead(t *testing.T) {
	t.Parallel()
	dead, alive := deadOwner(t)
	for _, p := range places(t)[1:] {
		t.Run(p.dialect, func(t *testing.T) {
			url := p.url
			db := storetest.Open(t, url)
			r := newRig(t, hubspotsim.Config{Seed: 78}, "")
			defer r.close()
			r.url = url
			for owner, soon := range map[string]bool{dead: true, alive: false, strings.Replace(dead, placeOfPids(), "0123456789abcdef", 1): false} {
				before, err := db.Acquire(t.Context(), "default", owner)
				must(t, err)
				a := r.app()
				must(t, a.openOnce(t.Context()))
				ended := a.endsDead(t.Context(), heldBy(t, db))
				if ended != soon {
					t.Errorf("%s: its lease is ended: %t", owner, ended)
				}
				if err := before.Renew(t.Context()); (err != nil) != soon {
					t.Errorf("%s: renewing says %v", owner, err)
				}
				if soon {
					began := time.Now()
					lease, err := a.acquire(t.Context())
					must(t, err)
					if waited := time.Since(began); waited > 5*time.Second || lease.CleanBefore() {
						t.Errorf("%s: taken after %s, clean %t", owner, waited, lease.CleanBefore())
					}
					must(t, lease.Release(t.Context()))
				} else {
					must(t, before.Release(t.Context()))
				}
				a.close()
			}
		})
	}
}

// heldBy is what a standby is told.
func heldBy(t *testing.T, db *store.DB) *store.HeldError {
	t.Helper()
	row, err := db.View("default").Row(t.Context())
	must(t, err)
	return &store.HeldError{Portal: "default", Owner: row.Owner, Since: row.StartedAt, Until: row.LeaseUntil}
}
