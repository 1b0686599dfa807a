package workqueue_test

import (
	"fmt"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/workqueue"
)

// A loop claims leads, works on them, and comes back to one whose request failed.
func Example() {
	q := workqueue.New(time.Now, func() {})

	mine := q.Claim([]lead.ID{"ada", "grace"}, false)
	fmt.Println("mine:", mine)
	fmt.Println("while they are:", q.Claim([]lead.ID{"ada"}, false))

	q.Add("ada") // to be tried again
	q.Delay("ada", workqueue.Wait{Until: time.Now().Add(time.Hour)})
	for _, id := range mine {
		q.Done(id)
	}
	fmt.Println("due now:", q.Due(100, 0), "and in about", q.NextDue(0).Round(time.Minute))
	// Output:
	// mine: [ada grace]
	// while they are: []
	// due now: [] and in about 1h0m0s
}
