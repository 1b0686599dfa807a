package pull

import (
	"context"
	"encoding/json"
	"fmt"
)

// Position reads how far a stream has come in an account; the zero Position when it never ran.
func (p *Puller) Position(ctx context.Context, hubID int64, s Stream) (Position, error) {
	var pos Position
	text, err := p.store.Position(ctx, hubID, string(s))
	if err != nil || text == "" {
		return pos, err
	}
	if err := json.Unmarshal([]byte(text), &pos); err != nil {
		return pos, fmt.Errorf("the position of stream %s is not the JSON that was written: %w", s, err)
	}
	return pos, nil
}

// encode makes of a position what is stored.
func (p *Position) encode(s Stream) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode the position of stream %s: %w", s, err)
	}
	return string(text), nil
}
