package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"leadsync/internal/observe"
	"leadsync/internal/store"
)

// ownerName is the name under which a process owns a portal: host and pid for a person, a text of its own, and, where
// the kernel tells it, the place in which the pid means this process and the moment since when: what another process
// there needs to be sure that this one is gone.
func ownerName(host string, pid int, text string) string {
	name := fmt.Sprintf("%s:%d:%s", host, pid, text)
	if place, since := placeOfPids(), startOf(pid); place != "" && since != "" {
		name += "-" + place + "-" + since
	}
	return name
}

// provenGone reports that the process of an owner's name ended: it lived under this kernel since it booted, among the
// same process ids, and no process has its id, or another one that began at another moment. False whenever that is not
// sure.
func provenGone(owner string) bool {
	parts := strings.Split(owner, ":")
	if len(parts) < 3 {
		return false
	}
	pid, err := strconv.Atoi(parts[len(parts)-2])
	mark := strings.Split(parts[len(parts)-1], "-")
	if err != nil || pid <= 0 || len(mark) != 3 || mark[1] == "" || mark[1] != placeOfPids() {
		return false
	}
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) { // also where /proc hides other users' processes
		return true
	}
	since := startOf(pid)
	return since != "" && since != mark[2]
}

// placeOfPids names what a process id means something in: a boot of a kernel and a namespace; empty when that is not
// known.
func placeOfPids() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid")
	if err != nil || err2 != nil || len(boot) == 0 || space == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(string(boot) + space))
	return hex.EncodeToString(sum[:8])
}

// startOf is when a process began, in ticks since the boot (field 22 of /proc/PID/stat, see proc_pid_stat(5)); empty
// when that is not known.
func startOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ") // the name before it may hold anything
	if fields := strings.Fields(after); len(fields) > 19 {
		return fields[19]
	}
	return ""
}

// endsDead ends the lease of an owner that was a process of this machine and is proven to be gone, so that a daemon
// that was killed does not wait for itself. Its transactions are fenced, and its last requests are in doubt, as after
// any other take-over.
func (a *App) endsDead(ctx context.Context, held *store.HeldError) bool {
	if held.Until == 0 || held.Locked || !provenGone(held.Owner) {
		return false
	}
	try, cancel := context.WithTimeoutCause(ctx, standbyPatience, store.ErrSilent)
	defer cancel()
	ended, err := a.db.EndLease(try, a.cfg.Portal, held.Owner)
	if err != nil || !ended {
		return false // it runs out by itself
	}
	a.log.Info(msgOwnerGone, observe.Portal, a.cfg.Portal, observe.Owner, held.Owner)
	return true
}

// msgOwnerGone is the line of a daemon that need not wait for a lease to run out.
const msgOwnerGone = "the process that owned the portal is gone from this machine, its lease is ended"
