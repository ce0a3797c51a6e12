package limit

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrURL: a URL is none of Redis's. The URL is not in it, because of its password.
var ErrURL = errors.New("not a URL of Redis: redis://user:password@host:6379/0, rediss:// for TLS, or unix:///path")

// Connect returns a client for a URL, with the timeouts that a [Limiter] needs. It
// asks nobody: that Redis is away now is no error. What the library logs by itself,
// for the whole process, is silenced: a Limiter says once what it says each time.
func Connect(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, ErrURL
	}
	options.ContextTimeoutEnabled = true
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = Timeout, Timeout, Timeout
	options.PoolTimeout = Timeout
	options.DialerRetries, options.DialerRetryTimeout = 1, time.Millisecond
	options.MaxRetries = -1 // none
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redis.SetLogger(silence{})
	return redis.NewClient(options), nil
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
