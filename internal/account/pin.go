package account

import "context"

// Pin is the account that a portal was connected to, and the address of HubSpot it was learnt from; zero = none yet.
type Pin struct {
	AccountID int64
	BaseURL   string
}

// Pins remembers the pin of one portal.
type Pins interface {
	Pinned(ctx context.Context) (Pin, error)
	SavePin(ctx context.Context, p Pin) error
}

// Check holds the account behind the token against the one that is configured, or that was pinned before where none is,
// and remembers it. Links belong to the account: with another one every update by id would land on a stranger. changed:
// there was another pin before, or none. The error is a *WrongError, or one of pins.
func Check(ctx context.Context, pins Pins, configured int64, have Pin) (changed bool, err error) {
	was, err := pins.Pinned(ctx)
	if err != nil {
		return false, err
	}
	want := configured
	if want == 0 {
		want = was.AccountID
	}
	if want != 0 && want != have.AccountID {
		return false, &WrongError{Want: want, Have: have.AccountID}
	}
	if was == have {
		return false, nil
	}
	return true, pins.SavePin(ctx, have)
}
