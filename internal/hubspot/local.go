package hubspot

import (
	"errors"
	"strings"
	"syscall"
)

// locals are what this host may lack, by the errno that says so, with the cure. A resolver gives its errno as a text
// alone.
var locals = []struct {
	errno syscall.Errno
	cure  string
}{
	{syscall.EMFILE, "raise LimitNOFILE of the unit (ulimit -n), or find what opens so many connections"},
	{syscall.ENFILE, "raise fs.file-max, or find which program opens so many files"},
	{syscall.ENOMEM, "give it more memory (MemoryMax of the unit), or find which program takes it"},
	{syscall.ENOBUFS, "give the kernel more memory for the network, or find which program takes it"},
	{syscall.ENOSPC, "make room on the disk"},
	{syscall.EDQUOT, "raise the disk quota"},
	{syscall.EADDRNOTAVAIL, "free local ports: find which program opens so many connections"},
	{syscall.EPERM, "allow this program to connect: a local firewall or a sandbox refuses it"},
	{syscall.EACCES, "allow this program to connect: a local firewall or a sandbox refuses it"},
}

// LocalCause says what this host lacks; empty when err is about something else.
func LocalCause(err error) string {
	cause, _ := local(err)
	return cause
}

// LocalCure is what helps against it.
func LocalCure(err error) string {
	_, cure := local(err)
	return cure
}

func local(err error) (cause, cure string) {
	if e, ok := errors.AsType[*Error](err); ok && (e.Err == nil || e.Status != 0) || err == nil {
		return "", ""
	}
	text := err.Error()
	for _, l := range locals {
		if errors.Is(err, l.errno) || strings.HasSuffix(text, ": "+l.errno.Error()) {
			return l.errno.Error(), l.cure
		}
	}
	return "", ""
}
