package push

import (
	"context"
	"fmt"
	"slices"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// ResumeDeletes is the command that lets deletes and erases go on after the brake has paused them.
const ResumeDeletes = "leadsync resume --deletes"

// deletesNote is what a paused row says. most is push.max_deletes_per_hour.
func deletesNote(most int) string {
	return fmt.Sprintf("waits: more than %d deletes and erases in an hour; `%s` lets them go on", most, ResumeDeletes)
}

// allowed asks the brake about works whose plan is a delete or an erase, and returns those that may go. The others wait
// until a person lets them go, with the rows behind them.
func (w *Worker) allowed(ctx context.Context, works []*work) ([]*work, error) {
	if w.cfg.MaxDeletes <= 0 || len(works) == 0 {
		return works, nil
	}
	asks := make([]DeleteAsk, len(works))
	for i, k := range works {
		asks[i] = DeleteAsk{Row: k.plan.del.ID, Contacts: max(1, k.touches)}
	}
	select { // one question at a time: an answer that was overtaken by another must not be remembered
	case w.deleteTurn <- struct{}{}:
		defer func() { <-w.deleteTurn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	may, paused, err := w.store.AllowDeletes(ctx, asks, w.cfg.MaxDeletes, outbox.Millis(w.now()))
	if err != nil {
		return nil, w.withTrouble(err)
	}
	if was := w.deletesPaused.Swap(paused); was != paused && paused != 0 {
		w.cfg.Log.Error(observe.DeletesPaused, "since", time.UnixMilli(paused).UTC(), "limit", w.cfg.MaxDeletes, observe.Hint,
			"deletes and erases of more contacts than push.max_deletes_per_hour; when they are meant, `"+ResumeDeletes+"` lets them go on")
	}
	var free []*work
	for _, k := range works {
		if slices.Contains(may, k.plan.del.ID) {
			free = append(free, k)
			continue
		}
		note := deletesNote(w.cfg.MaxDeletes)
		if n := purgedBefore(k.plan.del); n > 0 {
			note = joinNotes(fmt.Sprintf(purgedNote, n), note, evidenceSaid(orEmpty(k.plan.del.Note)))
		}
		k.ended = append(k.ended, outbox.Outcome{ID: k.plan.del.ID, State: outbox.Pending, Attempts: k.plan.del.Attempts, NotBefore: outbox.Parked, Note: note})
		if k.done, k.revisit = true, false; k.plan.del.Event == outbox.Deleted {
			k.behindDelete()
			continue
		}
		for _, r := range k.every { // an erase is for all of them, but an opt-out does not wait for the brake
			if r != k.plan.del && r.End == nil && r.Consent == "" {
				k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, NotBefore: outbox.Parked,
					Note: "waits for the erase of the lead"})
			}
		}
	}
	return free, nil
}
