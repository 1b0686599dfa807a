package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/backoff"
)

const million = 1_000_000

func backlog(b *bench) ([]result, error) {
	s, err := b.scene("sqlite", 190, "", "--latency", "150ms", "--limit", "190")
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.leads("b", "backfill", "pending", million); err != nil {
		return nil, err
	}
	d, err := s.daemon()
	if err != nil {
		return nil, err
	}
	if err := backoff.Sleep(s.ctx, 15*time.Second); err != nil {
		return nil, err
	}
	var all []time.Duration
	for i := range 60 {
		if err := backoff.Sleep(s.ctx, time.Duration(200+13*(i%17))*time.Millisecond); err != nil {
			return nil, err
		}
		began := time.Now()
		id, err := s.one(fmt.Sprint("live", i), `{"firstname":"F"}`)
		if err != nil {
			return nil, err
		}
		if err := s.delivered(id); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	left, err := s.pending("AND lane = 'backfill'")
	if err != nil {
		return nil, err
	}
	rss, err := peak(d.Cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	p99 := all[len(all)*99/100]
	return []result{
		{"backfill rows left when the live rows were done", fmt.Sprint(left), "> 0", left > 0},
		{"memory of the daemon, peak", fmt.Sprintf("%.1f MiB", float64(rss)/(1<<20)), "<= 64 MiB", rss <= 64<<20},
		{"live row from commit to settled, p50", all[len(all)/2].Round(time.Millisecond).String(), "reported", true},
		{"live row from commit to settled, p99", p99.Round(time.Millisecond).String(), "<= 1s", p99 <= time.Second},
	}, nil
}

// peak reads VmHWM of a living process, in bytes.
func peak(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kb * 1024, err
		}
	}
	return 0, fmt.Errorf("no VmHWM of process %d", pid)
}

func start(b *bench) ([]result, error) {
	s, err := b.scene("sqlite", 0, "", "--latency", "0", "--limit", "0")
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.leads("l", "live", "delivered", million); err != nil {
		return nil, err
	}
	var all []time.Duration
	for range 5 {
		d, err := s.ready()
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return []result{{"start to READY, median of 5", all[2].Round(time.Millisecond).String(), "<= 300ms", all[2] <= 300*time.Millisecond}}, nil
}

// ready starts a daemon, waits for its READY=1 on a socket as systemd would, and stops it.
func (s *scene) ready() (time.Duration, error) {
	path := filepath.Join(s.dir, "notify")
	_ = os.Remove(path) // of the run before
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return 0, err
	}
	defer socket.Close()
	began := time.Now()
	d, err := s.daemon("NOTIFY_SOCKET=" + path)
	if err != nil {
		return 0, err
	}
	if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := socket.Read(buf)
		if err != nil {
			return 0, fmt.Errorf("no READY: %w\n%s", err, d.Log.Tail(5))
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			break
		}
	}
	took := time.Since(began)
	_, err = d.Stop(30 * time.Second)
	return took, err
}
