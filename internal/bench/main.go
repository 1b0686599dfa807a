// Command bench measures what the project promises and prints each figure with its target, its method and the machine:
// the real binary as a daemon, the simulator in another process, a real database.
//
//	go run ./internal/bench                   all figures (about ten minutes)
//	go run ./internal/bench -only limit,poison
//	go run ./internal/bench -list
//
// It is not a user command. Figures on shared machines differ from run to run: quote ratios, compare within one run.
//
// Design: each figure is a function from an environment to lines of text; a failed target makes the exit code 1, so
// that a claim in the README cannot grow old unseen. Timed tests were rejected: they fail on busy machines and prove
// nothing on idle ones.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() { os.Exit(run()) }

func run() int {
	only := flag.String("only", "", "comma separated `NAMES` of figures; empty = all")
	list := flag.Bool("list", false, "list the figures and exit")
	flag.Parse()
	if *list {
		for _, f := range figures {
			fmt.Fprintf(os.Stdout, "%-10s %s\n", f.name, f.what)
		}
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b, err := newBench(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	defer b.close()
	fmt.Fprintf(os.Stdout, "%s, %s/%s, %d cores, %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().UTC().Format(time.DateTime))
	code := 0
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', 0)
	for _, f := range figures {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), f.name) {
			continue
		}
		if ctx.Err() != nil {
			return 1
		}
		fmt.Fprintf(os.Stderr, "bench: %s: %s\n", f.name, f.what)
		results, err := f.measure(b)
		if err != nil {
			fmt.Fprintf(w, "%s\t%s\tFAILED: %v\n", f.name, f.what, err)
			code = 1
		}
		for _, r := range results {
			verdict := "ok"
			if !r.ok {
				verdict, code = "MISSED", 1
			}
			fmt.Fprintf(w, "%s\t%s\t%s\ttarget %s\t%s\n", f.name, r.what, r.value, r.target, verdict)
		}
		_ = w.Flush() // to standard output; nobody is left to tell
	}
	return code
}

// figure is one thing that is measured.
type figure struct {
	name, what string
	measure    func(*bench) ([]result, error)
}

// result is one line.
type result struct {
	what, value, target string
	ok                  bool
}

var figures = []figure{
	{"limit", "push at the limit: 50,000 new leads, 150 ms answers, 190 requests / 10 s, share 1.0; budget and 429 as the simulator counts them", atLimit},
	{"speed", "limits off, answers at once: 50,000 new leads, from the start of the daemon to the last row settled", speed},
	{"requests", "requests for 1,000 new leads, and for 1,000 events that change nothing", requests},
	{"latency", "idle: from the return of the application's commit to the contact in HubSpot, 200 rows one by one, answers at once", latency},
	{"poison", "one bad row in a batch of 100: requests beyond the one", poison},
	{"backlog", "1,000,000 pending backfill rows: memory of the daemon, and live rows beside it at 190 requests / 10 s", backlog},
	{"waiting", "1,000,000 pending rows of a paused lane, each database: the time of status, the idle daemon's processor time, pull of 2,000 unknown contacts", waiting},
	{"large", "one row with a text of 100 MB, each text column and database: memory of the daemon", large},
	{"start", "1,000,000 settled rows: from the start of the process to READY", start},
	{"cpu", "processor time of the daemon for 1,000 delivered leads (50,000 leads, answers at once)", cpu},
}
