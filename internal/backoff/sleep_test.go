package backoff

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := Sleep(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		stopped := errors.New("stopped")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { stop(stopped) })
		began = time.Now()
		if err := Sleep(ctx, time.Hour); !errors.Is(err, stopped) || time.Since(began) != time.Minute {
			t.Errorf("cut off: %v after %s", err, time.Since(began))
		}
		if err := Sleep(ctx, 0); !errors.Is(err, stopped) {
			t.Errorf("nothing, after the end: %v", err)
		}
		if err := Sleep(t.Context(), -time.Second); err != nil {
			t.Error(err)
		}
	})
}
