package main

import (
	"fmt"
	"time"
)

// largeText is what an application left in a text column by mistake. MariaDB takes what fits its max_allowed_packet.
const largeText = 100_000_000

// large measures what one row costs whose text is far beyond every limit, in each text column and database: the
// daemon's memory at its peak, with a good row behind it.
func large(b *bench) ([]result, error) {
	var out []result
	for _, dialect := range dialects() {
		for _, column := range []string{"email", "event_id", "lead_id", "event_type", "properties"} {
			r, err := largeOn(b, dialect, column)
			if err != nil {
				return out, fmt.Errorf("%s, %s: %w", dialect, column, err)
			}
			out = append(out, r)
		}
	}
	return out, nil
}

func largeOn(b *bench, dialect, column string) (result, error) {
	s, err := b.scene(dialect, 0, "", "--latency", "0", "--limit", "0")
	if err != nil {
		return result{}, err
	}
	defer s.close()
	d, err := s.daemon()
	if err != nil {
		return result{}, err
	}
	if err := s.largeRow(column); err != nil {
		return result{}, err
	}
	good, err := s.one("good", `{"firstname":"F"}`)
	if err != nil {
		return result{}, err
	}
	if err := s.delivered(good); err != nil {
		return result{}, err
	}
	if err := s.settled(time.Minute, ""); err != nil {
		return result{}, err
	}
	rss, err := peak(d.Cmd.Process.Pid)
	if err != nil {
		return result{}, err
	}
	return result{fmt.Sprintf("%s: memory of the daemon, peak, %s of %d MB", dialect, column, s.largest()/1_000_000), fmt.Sprintf("%.1f MiB", float64(rss)/(1<<20)),
		"<= 128 MiB", rss <= 128<<20}, nil
}

// largest is the longest text that goes in.
func (s *scene) largest() int {
	if s.dialect == "mysql" {
		return 16_000_000 // of the 16 MiB that a packet has by default
	}
	return largeText
}

// largeRow inserts it; the text is made in the database, so that nothing of it is this process's.
func (s *scene) largeRow(column string) error {
	text := fmt.Sprintf(map[string]string{"sqlite": "replace(hex(zeroblob(%d/2)), '0', 'x')", "postgres": "repeat('x', %d)", "mysql": "repeat('x', %d)"}[s.dialect], s.largest())
	values := map[string]string{"lead_id": "'bad'", "event_type": "'lead.registered'", "email": "'bad@example.com'", "event_id": "'e'", "properties": "'{}'"}
	values[column] = text
	_, err := s.db.ExecContext(s.ctx, fmt.Sprintf(`INSERT INTO lead_outbox (lead_id, event_type, email, event_id, properties) VALUES (%s, %s, %s, %s, %s)`,
		values["lead_id"], values["event_type"], values["email"], values["event_id"], values["properties"]))
	return err
}
