package cluster

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorder is a bytes.Buffer that two goroutines may use.
type recorder struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// supervise starts a supervisor of played components in a process of its own.
func supervise(t *testing.T, s State) (*exec.Cmd, *recorder) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd, out := exec.Command(self, "component", "supervisor"), &recorder{}
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "LAB_STATE="+s.Dir)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "all components start", func() bool {
		pids := componentPIDs(s)
		return len(pids) == len(components) && !slices.Contains(pids, 0) && len(events(t, s)) >= len(components)+1
	})
	return cmd, out
}

func componentPIDs(s State) []int {
	var status []ComponentStatus
	_ = readJSON(s.File("components.json"), &status)
	var pids []int
	for _, c := range status {
		pids = append(pids, c.PID)
	}
	return pids
}

func TestSupervisorStartsAgainWhatDiesAndSaysSo(t *testing.T) {
	s := newState(t)
	_, out := supervise(t, s)
	before := componentPIDs(s)
	kill(before[3])
	eventually(t, "a new scheduler", func() bool {
		pids := componentPIDs(s)
		return pids[3] != 0 && pids[3] != before[3]
	})
	assert.Contains(t, out.String(), "kube-scheduler ended after")
	assert.Contains(t, out.String(), "signal: killed; starting it again in 500ms")
	after := componentPIDs(s)
	after[3] = before[3]
	assert.Equal(t, before, after, "the others go on")
}

func TestSupervisorBacksOff(t *testing.T) {
	s := newState(t)
	require.NoError(t, os.WriteFile(s.File("crash-kwok"), nil, 0o600))
	_, out := supervise(t, s)
	eventually(t, "two delays", func() bool { return strings.Count(out.String(), "kwok ended") >= 2 })
	assert.Contains(t, out.String(), "exit status 1; starting it again in 500ms")
	assert.Contains(t, out.String(), "exit status 1; starting it again in 1s")
	assert.Contains(t, lastWords(s.Log("kwok")), "told to crash")

	require.NoError(t, os.Remove(s.File("crash-kwok")))
	eventually(t, "it stays up once it can", func() bool { return componentPIDs(s)[4] != 0 })
}

func TestSupervisorStopsInOrder(t *testing.T) {
	s := newState(t)
	cmd, _ := supervise(t, s)
	terminate(cmd.Process.Pid)
	require.NoError(t, cmd.Wait())
	var ended []string
	for _, e := range events(t, s) {
		if name, ok := strings.CutPrefix(e, "end "); ok {
			ended = append(ended, name)
		}
	}
	require.Len(t, ended, len(components))
	assert.Equal(t, []string{"kube-apiserver", "etcd"}, ended[3:], "clients first, the database last")
	pid, err := s.supervisorPID()
	require.NoError(t, err)
	assert.Zero(t, pid)
}

func TestSupervisorEndsWithItsDirectory(t *testing.T) {
	s := newState(t)
	cmd, out := supervise(t, s)
	pids := componentPIDs(s)
	require.NoError(t, os.RemoveAll(s.Dir))
	require.NoError(t, cmd.Wait())
	assert.Contains(t, out.String(), "the cluster's directory is gone")
	for _, pid := range pids {
		assert.False(t, running(pid))
	}
}

func TestSupervisorToldToEndStartsNothing(t *testing.T) {
	s := newState(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, Supervise(ctx, s, "/nothing"), context.Canceled)
	assert.NoFileExists(t, s.File("components.json"))
}

// Ctrl-C comes when the supervisor was started and has no lock yet.
func TestInterruptedUpEndsAnEarlySupervisor(t *testing.T) {
	s := newState(t)
	held, err := try(s.File("run.lock"), syscall.LOCK_SH) // up sees nobody run, a supervisor has to wait
	require.NoError(t, err)
	defer held.release()
	ctx, cancel := context.WithCancel(context.Background())
	up := make(chan error)
	go func() { up <- Up(ctx, s, UpOptions{Out: &recorder{}}) }()
	eventually(t, "the supervisor starts", func() bool { return len(events(t, s)) > 0 })
	cancel()
	require.ErrorIs(t, <-up, context.Canceled)
	data, err := os.ReadFile(s.File("events"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(string(data), "start supervisor ")))
	require.NoError(t, err)
	if !assert.False(t, alive(pid), "up has waited for its end") {
		kill(pid)
	}
}

func TestAStartReadsNoOldLogs(t *testing.T) {
	s := newState(t)
	require.NoError(t, os.WriteFile(s.Log("kwok"), []byte("panic: yesterday\n"), 0o600))
	require.NoError(t, os.WriteFile(s.File("crash-kwok"), nil, 0o600))
	cmd, err := s.start(UpOptions{Out: &recorder{}})
	require.NoError(t, err)
	t.Cleanup(func() { terminate(cmd.Process.Pid); assert.NoError(t, cmd.Wait()) })
	eventually(t, "kwok ends", func() bool {
		var status []ComponentStatus
		return readJSON(s.File("components.json"), &status) == nil && len(status) > 0 && status[len(status)-1].Restarts > 0
	})
	assert.Contains(t, lastWords(s.Log("kwok")), "told to crash")
	assert.Contains(t, lastWords(s.Log("kwok")+".old"), "yesterday")
}

func TestComponentsDieWithAKilledSupervisor(t *testing.T) {
	s := newState(t)
	cmd, _ := supervise(t, s)
	pids := componentPIDs(s)
	kill(cmd.Process.Pid)
	_ = cmd.Wait()
	for _, pid := range pids {
		eventually(t, "the component ends", func() bool { return !running(pid) })
	}
}

// running tells a living process from one that has ended and that nobody has waited for yet.
func running(pid int) bool {
	if data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
		_, rest, _ := strings.Cut(string(data), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return alive(pid)
}

func TestStalePIDFileIsNotBelieved(t *testing.T) {
	s := newState(t)
	other := exec.Command("sleep", "600")
	require.NoError(t, other.Start())
	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()
	require.NoError(t, os.WriteFile(s.File("run.lock"), []byte(strconv.Itoa(other.Process.Pid)), 0o600))

	pid, err := s.supervisorPID()
	require.NoError(t, err)
	assert.Zero(t, pid, "nobody holds the lock, so nobody runs")
	said := &recorder{}
	require.NoError(t, Down(context.Background(), s, said))
	assert.Contains(t, said.String(), "not running")
	select {
	case err := <-ended:
		t.Errorf("down ended another program: %v", err)
	default:
	}
	require.NoError(t, other.Process.Kill())
	<-ended
}

func TestLookersDoNotTakeEachOtherForASupervisor(t *testing.T) {
	s := newState(t)
	require.NoError(t, os.WriteFile(s.File("run.lock"), []byte("1"), 0o600))
	var looks sync.WaitGroup
	for range 8 {
		looks.Go(func() {
			for range 500 {
				if pid, err := s.supervisorPID(); err != nil || pid != 0 {
					t.Errorf("took a looker for a supervisor: pid %d, err %v", pid, err)
					return
				}
			}
		})
	}
	looks.Wait()
}

func TestWaitLock(t *testing.T) {
	path := t.TempDir() + "/lock"
	held, err := tryLock(path)
	require.NoError(t, err)
	require.NotNil(t, held)

	other, err := tryLock(path)
	require.NoError(t, err)
	require.Nil(t, other)

	busy := make(chan struct{})
	got := make(chan error, 1)
	go func() {
		l, err := waitLock(context.Background(), path, func() { close(busy) })
		if l != nil {
			l.release()
		}
		got <- err
	}()
	<-busy
	held.release()
	require.NoError(t, <-got)

	held, err = tryLock(path)
	require.NoError(t, err)
	defer held.release()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = waitLock(ctx, path, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestStopKillsASupervisorThatDoesNotEnd(t *testing.T) {
	s := newState(t)
	cmd, _ := supervise(t, s)
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	require.NoError(t, s.stop(context.Background()))
	<-ended
	pid, err := s.supervisorPID()
	require.NoError(t, err)
	assert.Zero(t, pid)
}

func TestLargeLogIsPutAside(t *testing.T) {
	path := t.TempDir() + "/a.log"
	require.NoError(t, os.WriteFile(path, make([]byte, maxLogSize+1), 0o600))
	f, err := openLog(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	now, err := os.Stat(path)
	require.NoError(t, err)
	assert.Zero(t, now.Size())
	old, err := os.Stat(path + ".old")
	require.NoError(t, err)
	assert.EqualValues(t, maxLogSize+1, old.Size())
}
