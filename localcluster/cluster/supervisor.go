package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// components in the order of their start; they stop in the opposite order.
var components = []struct {
	name string
	// needsAPI: starting it before the API server listens only takes processor time away from the API server.
	needsAPI bool
	// grace is how long it may take to end after SIGTERM. An API server with open watches takes up to a minute, and
	// holds its port so long; it keeps nothing that could be lost.
	grace time.Duration
}{
	{name: "etcd", grace: time.Second},
	{name: "kube-apiserver", grace: 300 * time.Millisecond},
	{name: "kube-controller-manager", needsAPI: true, grace: 300 * time.Millisecond},
	{name: "kube-scheduler", needsAPI: true, grace: 300 * time.Millisecond},
	{name: "kwok", needsAPI: true, grace: 300 * time.Millisecond},
}

const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 10 * time.Second
	// settled is how long a component has to run for its next end to count as the first.
	settled    = 30 * time.Second
	maxLogSize = 8 << 20
)

// ComponentNames are the names of the components, in the order of their start.
func ComponentNames() []string {
	var names []string
	for _, c := range components {
		names = append(names, c.name)
	}
	return names
}

// ComponentStatus is what the supervisor knows of a component.
type ComponentStatus struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid,omitempty"` // 0 while it does not run
	Started  time.Time `json:"started,omitzero"`
	Restarts int       `json:"restarts"`
	LastEnd  string    `json:"lastEnd,omitempty"`
	// Memory is the proportional set size in KiB: pages that processes share count by shares, so that the sum over the
	// cluster is what it costs. `status` fills it in, on Linux.
	Memory int `json:"memoryKiB,omitempty"`
}

// Supervise starts every component as a process of its own and starts those again that end, until ctx ends. Its own log
// is its standard error. self is the executable that plays the components.
func Supervise(ctx context.Context, s State, self string) error {
	held, err := waitLock(ctx, s.File("run.lock"), nil)
	if err != nil {
		return err
	}
	defer held.release()
	if err := held.writePID(); err != nil {
		return fmt.Errorf("write the supervisor's process id: %w", err)
	}
	sup := &supervisor{state: s, self: self, status: make([]ComponentStatus, len(components))}
	// One context per component, so that they stop one after the other.
	var running []func()
	for i, c := range components {
		sup.status[i].Name = c.name
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		go func() {
			defer close(done)
			sup.keep(own, i)
		}()
		running = append(running, func() { stop(); <-done })
	}
	log.Printf("supervising %v", ComponentNames())
	// Without its directory, nobody can find this cluster to stop it.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil && !held.lost() {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	log.Printf("stopping: %v", cmp.Or(context.Cause(ctx), errors.New("the cluster's directory is gone")))
	var clients sync.WaitGroup
	for i := len(running) - 1; i >= 0; i-- {
		if components[i].needsAPI {
			clients.Go(running[i]) // they do not need each other
			continue
		}
		clients.Wait()
		running[i]()
	}
	log.Print("stopped")
	return nil
}

type supervisor struct {
	state State
	self  string

	mu     sync.Mutex
	status []ComponentStatus
}

// keep runs component i again and again until ctx ends.
func (sup *supervisor) keep(ctx context.Context, i int) {
	name := components[i].name
	backoff := minBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := sup.run(ctx, i)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > settled {
			backoff = minBackoff
		}
		log.Printf("%s ended after %v: %v; starting it again in %v", name, time.Since(began).Round(time.Millisecond), err, backoff)
		sup.update(i, func(st *ComponentStatus) { st.PID, st.Restarts, st.LastEnd = 0, st.Restarts+1, fmt.Sprint(err) })
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// run runs component i once, to its end or to that of ctx.
func (sup *supervisor) run(ctx context.Context, i int) error {
	c := components[i]
	out, err := openLog(sup.state.Log(c.name))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	// The child reads its standard input and ends when that ends: it cannot outlive a supervisor that was killed.
	lifeline, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = hold.Close() }()
	cmd := exec.CommandContext(ctx, sup.self, "component", c.name)
	cmd.Dir = sup.state.Dir
	// Collecting garbage twice as often as usual costs a cluster that does little next to nothing, and saves a tenth of
	// its memory. $GOGC still has the last word: of two values the later counts.
	cmd.Env = append([]string{"GOGC=50"}, append(os.Environ(), "LAB_STATE="+sup.state.Dir)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = lifeline, out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = c.grace
	err = cmd.Start()
	_ = lifeline.Close()
	if err != nil {
		return err
	}
	sup.update(i, func(st *ComponentStatus) { st.PID, st.Started = cmd.Process.Pid, time.Now() })
	if err := cmd.Wait(); err != nil {
		return err
	}
	return errors.New("exit status 0")
}

// update changes the status of component i and writes components.json for `status` and `up`.
func (sup *supervisor) update(i int, change func(*ComponentStatus)) {
	sup.mu.Lock()
	defer sup.mu.Unlock()
	change(&sup.status[i])
	if err := writeJSON(sup.state.File("components.json"), sup.status); err != nil {
		log.Printf("write components.json: %v", err)
	}
}

// openLog appends to a log, and puts one that has become large aside.
func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// DieWithParent ends this process when its standard input does: see supervisor.run.
func DieWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}
