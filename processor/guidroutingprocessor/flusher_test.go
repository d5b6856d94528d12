package guidroutingprocessor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (b *bed) alarm() time.Duration {
	return time.Duration(b.Traces.(*tracesProcessor).latency.flusher.alarm.Load())
}

func TestTimerRunsOnlyWhileATraceIsOpen(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		assert.Equal(t, time.Duration(never), b.alarm())
		b.send(child("child", 1, 0, 1))
		synctest.Wait()
		assert.Equal(t, defaultMaxAge+slack, b.alarm())
		time.Sleep(time.Second)
		b.send(root("root", 2, 0, 1)) // due long before the child's trace
		synctest.Wait()
		assert.Equal(t, time.Second+settle+slack, b.alarm())
		wait(settle + slack)
		assert.Contains(t, b.out(), "root")
		assert.Equal(t, defaultMaxAge+slack, b.alarm())
		wait(defaultMaxAge)
		assert.Equal(t, time.Duration(never), b.alarm())
	})
}

func TestSlackIsAFractionOfSettleWithinBounds(t *testing.T) {
	for settle, want := range map[time.Duration]time.Duration{
		0: time.Millisecond, 4 * time.Millisecond: time.Millisecond,
		defaultSettle: 25 * time.Millisecond, time.Minute: 50 * time.Millisecond,
	} {
		assert.Equal(t, want, slackOf(settle))
	}
}

// A steady stream of traces must not wake the processor for each of them.
func TestRootsThatAreDueTogetherLeaveTogether(t *testing.T) {
	timed(t, nil, func(t *testing.T, b *bed) {
		for n := range byte(100) {
			b.send(root(string(rune('A'+n)), n+1, 0, 1))
			time.Sleep(time.Millisecond)
		}
		wait(settle + slack)
		assert.Len(t, b.out(), 100)
		require.LessOrEqual(t, len(b.sink.AllTraces()), 100/25+1)
	})
}

func TestStoppingAFlusherThatNeverStarted(t *testing.T) {
	f := newFlusher(nil, nil, 0, nil)
	f.stop()
	f.stop()
}
