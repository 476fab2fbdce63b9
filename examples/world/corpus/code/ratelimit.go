// Package ratelimit holds helpers for programs that share a resource.
package ratelimit

import (
	"context"
	"sync"
	"time"
)

// Bucket is a token bucket: it fills at a steady rate up to its capacity.
type Bucket struct {
	mutex    sync.Mutex
	capacity float64
	rate     float64
	tokens   float64
	updated  time.Time
}

// NewBucket makes a full bucket that gains rate tokens a second.
func NewBucket(capacity, rate float64) *Bucket {
	return &Bucket{capacity: capacity, rate: rate, tokens: capacity, updated: time.Now()}
}

// Take removes one token and reports whether there was one to remove.
// It may be called from several goroutines at once.
func (b *Bucket) Take() bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	now := time.Now()
	b.tokens += now.Sub(b.updated).Seconds() * b.rate
	if b.tokens > b.capacity {
		b.tokens = b.capacity
	}
	b.updated = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// ForEach calls work for every item in goroutines, at most limit at a time,
// and returns the first error after all of them have ended.
func ForEach(items []string, limit int, work func(string) error) error {
	slots := make(chan struct{}, limit)
	var group sync.WaitGroup
	var once sync.Once
	var first error
	for _, item := range items {
		slots <- struct{}{}
		group.Add(1)
		go func(item string) {
			defer group.Done()
			defer func() { <-slots }()
			if err := work(item); err != nil {
				once.Do(func() { first = err })
			}
		}(item)
	}
	group.Wait()
	return first
}

// WaitUntil polls a condition at the given interval until it holds.
// It returns the error of the context when that ends before.
func WaitUntil(ctx context.Context, interval time.Duration, condition func() bool) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if condition() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
