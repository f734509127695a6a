package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	giveUp     = time.Hour // after it was queued
	firstPause = time.Second
	longPause  = 5 * time.Minute
	sendTime   = 10 * time.Second // of one attempt
	lastTime   = 5 * time.Second  // that deliveries have at the end of rouse
)

// deliver sends what waits for a channel, one after the other, until ctx ends; attempts has a few seconds more.
func (n *Notifier) deliver(ctx, attempts context.Context, c *channel) {
	for ctx.Err() == nil {
		it, wait := c.queue.take(time.Now())
		if it != nil {
			n.try(ctx, attempts, c, it)
			continue
		}
		rest(ctx, c.queue.news, wait)
	}
	n.finish(attempts, c)
}

// rest waits for news, for so long (for ever if it is negative), or for the end.
func rest(ctx context.Context, news <-chan struct{}, wait time.Duration) {
	var due <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-news:
	case <-due:
	case <-ctx.Done():
	}
}

// try delivers a message, again and again.
func (n *Notifier) try(ctx, attempts context.Context, c *channel, it *item) {
	lost := c.queue.missed()
	if lost > 0 {
		n.opts.Logger.Warn("notifications were lost: too many wait", "notification", c.Name, "lost", lost)
	}
	m := it.message(lost)
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = n.opts.first, longPause
	final := false
	left := max(time.Until(it.queued.Add(giveUp)), 1) // it gets one attempt at least, however long it has waited for others
	again := func(err error, d time.Duration) {
		if !c.down {
			n.opts.Logger.Warn("a notification could not be delivered, and is tried again for an hour",
				"notification", c.Name, "title", m.Title, "for", d.Round(time.Millisecond), "err", c.plain(err))
		}
		c.down = true
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := n.attempt(attempts, c, m)
		_, final = errors.AsType[*backoff.PermanentError](err)
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(left), backoff.WithNotify(again))
	switch {
	case err == nil:
		if c.down {
			n.opts.Logger.Info("notifications are delivered again", "notification", c.Name)
		}
		c.down = false
		n.opts.Logger.Debug("told", "notification", c.Name, "title", m.Title)
	case ctx.Err() != nil && !final:
		c.queue.back(it) // it gets its last attempt
	default:
		c.down = true
		n.opts.Logger.Error("a notification was not delivered: look at its URL and at whoever answers there",
			"notification", c.Name, "title", m.Title, "err", c.plain(err))
	}
}

// attempt sends once. A fault in a sender is not one of rouse.
func (n *Notifier) attempt(ctx context.Context, c *channel, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = backoff.Permanent(fmt.Errorf("%w: %v", errFault, p))
		}
	}()
	once, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return c.sender.send(once, m)
}

// finish delivers what is left, once each, until ctx ends.
func (n *Notifier) finish(ctx context.Context, c *channel) {
	items, lost := c.queue.drain()
	var last error
	failed := 0
	for _, it := range items {
		if ctx.Err() == nil {
			if err := n.attempt(ctx, c, it.message(lost)); err != nil {
				failed, last = failed+1, err
			}
			continue
		}
		failed, last = failed+1, context.Cause(ctx)
	}
	if failed > 0 || lost > 0 {
		n.opts.Logger.Warn("notifications were not delivered before the end",
			"notification", c.Name, "failed", failed, "lost", lost, "err", c.plain(last))
	}
}
