package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	defaultNodes = 2
	startTimeout = 90 * time.Second
	// stopTimeout is more than all components' grace together. What still runs then is killed.
	stopTimeout = 5 * time.Second
)

// UpOptions say what Up makes.
type UpOptions struct {
	Version string // of Kubernetes, for the messages
	Fresh   bool   // throw away what an earlier cluster left
	Nodes   int    // 0: as before, or 2
	Port    int    // of the API server; 0: as before, or any that is free
	Merge   bool   // add the context to the user's kubeconfig
	Seed    bool   // apply the sample workloads
	// Out gets a line for each thing done.
	Out io.Writer
}

// Up starts the cluster, or finds it running, and returns when it serves. Two at once are no harm: one starts it, the
// other waits and then uses it. When ctx ends early, a cluster that Up was starting is stopped again.
func Up(ctx context.Context, s State, o UpOptions) error {
	if err := s.prepare(); err != nil {
		return err
	}
	held, err := waitLock(ctx, s.File("up.lock"), func() {
		_, _ = fmt.Fprintln(o.Out, "Another up or down is at work on this cluster; waiting for it.")
	})
	if err != nil {
		return err
	}
	defer held.release()

	pid, err := s.supervisorPID()
	if err != nil {
		return err
	}
	if pid != 0 && o.Fresh {
		if err := s.stop(ctx); err != nil {
			return err
		}
		pid = 0
	}
	began := time.Now()
	var supervisor *exec.Cmd
	var ended chan error // tells of the supervisor's end, and is then closed
	if pid == 0 {
		if supervisor, err = s.start(o); err != nil {
			return err
		}
		ended = make(chan error, 1)
		go func() { ended <- supervisor.Wait(); close(ended) }()
	}
	config, err := s.LoadConfig()
	if err != nil {
		return err
	}
	if pid != 0 {
		if o.Nodes != 0 && o.Nodes != config.Nodes || o.Port != 0 && o.Port != config.Ports.API {
			return fmt.Errorf("the cluster runs with %d nodes on port %d; take it down first to change that", config.Nodes, config.Ports.API)
		}
	}
	if err := s.finish(ctx, o, ended); err != nil {
		if ended != nil { // do not leave a half-started cluster behind
			// Not by stop, which does not find a supervisor that has no lock yet.
			_ = supervisor.Process.Signal(syscall.SIGTERM)
			select {
			case <-ended:
			case <-time.After(stopTimeout):
				_ = supervisor.Process.Kill()
				<-ended
			}
		}
		return err
	}
	self, _ := os.Executable()
	switch {
	case pid == 0:
		_, _ = fmt.Fprintf(o.Out, "Kubernetes %s is ready at %s, %d nodes, after %.1f s.\n", o.Version, config.Server, config.Nodes, time.Since(began).Seconds())
	case config.Binary != self:
		_, _ = fmt.Fprintf(o.Out, "The cluster runs at %s, started by another build; down, then up, starts this one.\n", config.Server)
	default:
		_, _ = fmt.Fprintf(o.Out, "Kubernetes %s is running at %s.\n", o.Version, config.Server)
	}
	if !o.Merge {
		return nil
	}
	file, err := s.mergeKubeconfig(ctx, config.Server)
	if err != nil {
		return fmt.Errorf("the cluster runs, but %w; its own kubeconfig is %s", err, s.Kubeconfig(Admin))
	}
	_, _ = fmt.Fprintf(o.Out, "Context %q is current in %s.\n", ContextName, file)
	return nil
}

// start makes what the components need and starts the supervisor.
func (s State) start(o UpOptions) (*exec.Cmd, error) {
	config, err := s.LoadConfig()
	if err != nil && !o.Fresh {
		return nil, fmt.Errorf("%w; `up --fresh` starts over", err)
	}
	if !o.Fresh && 0 < o.Nodes && o.Nodes < config.Nodes {
		return nil, fmt.Errorf("the cluster has %d nodes, and up takes none away; `up --fresh --nodes %d` throws its data away and starts anew", config.Nodes, o.Nodes)
	}
	if o.Fresh {
		for _, name := range []string{"etcd", "pki"} {
			if err := os.RemoveAll(s.File(name)); err != nil {
				return nil, s.unusable(err)
			}
		}
		if err := s.prepare(); err != nil {
			return nil, err
		}
	}
	if free, err := freeSpace(s.Dir); err == nil && free < minFree {
		return nil, s.unusable(fmt.Errorf("only %d MiB are free, and etcd needs %d", free>>20, minFree>>20))
	}
	if o.Nodes > 0 {
		config.Nodes = o.Nodes
	} else if config.Nodes == 0 {
		config.Nodes = defaultNodes
	}
	if config.Ports, err = choosePorts(config.Ports, o); err != nil {
		return nil, err
	}
	if config.Binary, err = os.Executable(); err != nil {
		return nil, err
	}
	config.Server = "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(config.Ports.API))
	if err := s.writePKI(config.Server); err != nil {
		return nil, s.unusable(err)
	}
	if err := writeFile(s.File("authentication.yaml"), []byte(authenticationYAML)); err != nil {
		return nil, s.unusable(err)
	}
	if err := writeJSON(s.File("cluster.json"), config); err != nil {
		return nil, s.unusable(err)
	}
	// What the last run wrote must not be taken for this one's.
	for _, name := range append(ComponentNames(), "supervisor") {
		if err := os.Rename(s.Log(name), s.Log(name)+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, s.unusable(err)
		}
	}
	if err := writeJSON(s.File("components.json"), []ComponentStatus{}); err != nil {
		return nil, s.unusable(err)
	}
	out, err := openLog(s.Log("supervisor"))
	if err != nil {
		return nil, s.unusable(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(config.Binary, "component", "supervisor")
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), "LAB_STATE="+s.Dir)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = detached()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	return cmd, nil
}

// authenticationYAML lets a request without credentials see whether the server is healthy, and nothing else.
const authenticationYAML = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions: [{path: /livez}, {path: /readyz}, {path: /healthz}]
`

// choosePorts keeps a port that is free and takes another for one that is busy, unless the user named it.
func choosePorts(last Ports, o UpOptions) (Ports, error) {
	if o.Port != 0 {
		if port, err := freePort(o.Port); err != nil || port != o.Port {
			return last, fmt.Errorf("port %d is in use by another program; choose another with --port, or leave --port out to get one that is free", o.Port)
		}
		last.API = o.Port
	}
	var err error
	was := last.API
	if last.API, err = freePort(last.API); err != nil {
		return last, err
	}
	if was != 0 && was != last.API {
		_, _ = fmt.Fprintf(o.Out, "Port %d, which the cluster had, is in use by another program; it gets port %d.\n", was, last.API)
	}
	last.Kubelet, err = freePort(last.Kubelet)
	return last, err
}

// freePort returns want if it is free on the loopback interface, else a port that is.
func freePort(want int) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(want)))
	if err != nil && want != 0 {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return 0, fmt.Errorf("find a free port on 127.0.0.1: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// finish waits until the cluster serves and gives it what every cluster has.
func (s State) finish(ctx context.Context, o UpOptions, ended <-chan error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %v", startTimeout))
	defer cancel()
	admin, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(Admin))
	if err != nil {
		return err
	}
	admin.QPS = -1
	began := time.Now()
	if err := AwaitReady(ctx, admin, s.startFailure(ended, o.Out)); err != nil {
		return err
	}
	if ended != nil {
		_, _ = fmt.Fprintf(o.Out, "The API server is ready after %.1f s.\n", time.Since(began).Seconds())
	}
	// What follows can be refused by what the learner has put into the cluster, a webhook for instance. The cluster
	// serves all the same, and that is the way to mend it.
	err = bootstrap(ctx, admin)
	if err == nil {
		err = awaitNodes(ctx, admin)
	}
	if err == nil && o.Seed {
		err = seed(ctx, admin)
	}
	if err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintf(o.Out, "The cluster serves, but not all that up puts into it is there: %v.\n", err)
		return nil
	}
	return err
}

// AwaitReady returns when the API server says that it is ready, or with the first error of failed, which may be nil
// and is asked before each new try.
func AwaitReady(ctx context.Context, config *rest.Config, failed func(last error) error) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		_, err := client.CoreV1().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			return nil
		}
		if failed != nil {
			if err := failed(err); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API server does not answer: %w (last: %w)", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// startFailure tells why a start that has not ended cannot end well: the supervisor is gone, or a component does not
// stay up. It also tells, once, that it takes long.
func (s State) startFailure(ended <-chan error, out io.Writer) func(error) error {
	began, told := time.Now(), false
	return func(error) error {
		select {
		case err := <-ended:
			return fmt.Errorf("the supervisor ended: %w\n%s", err, lastWords(s.Log("supervisor")))
		default:
		}
		if !told && time.Since(began) > 8*time.Second {
			told = true
			_, _ = fmt.Fprintln(out, "Still waiting for the API server: this machine is busy.")
		}
		var status []ComponentStatus
		if err := readJSON(s.File("components.json"), &status); err != nil || ended == nil {
			return nil // nothing known yet, or another start's cluster, which is restarting something
		}
		for _, c := range status {
			if c.Restarts >= 3 {
				return fmt.Errorf("%s does not stay up: %s\n%s\n(all of it: %s; if its data is damaged, `up --fresh` starts with none)",
					c.Name, c.LastEnd, lastWords(s.Log(c.Name)), s.Log(c.Name))
			}
		}
		return nil
	}
}

// lastWords is the line of a log that tells why its writer ended: the last panic or fatal error, else the last line.
func lastWords(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "  " + err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	last := lines[len(lines)-1]
	for _, line := range lines {
		if strings.HasPrefix(line, "panic: ") || strings.Contains(line, `"level":"fatal"`) || strings.HasPrefix(line, "F") {
			last = line
		}
	}
	return "  " + last
}

// Down stops the cluster and takes its context out of the kubeconfig. Its data stays.
func Down(ctx context.Context, s State, out io.Writer) error {
	if _, err := os.Stat(s.Dir); err != nil {
		_, _ = fmt.Fprintln(out, "The cluster is not running.")
		return nil // never started: nothing to do
	}
	held, err := waitLock(ctx, s.File("up.lock"), func() {
		_, _ = fmt.Fprintln(out, "Another up or down is at work on this cluster; waiting for it.")
	})
	if err != nil {
		return err
	}
	defer held.release()
	pid, err := s.supervisorPID()
	if err != nil {
		return err
	}
	if pid == 0 {
		_, _ = fmt.Fprintln(out, "The cluster is not running.")
	} else {
		if err := s.stop(ctx); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(out, "The cluster is down. Its data is kept: the next up goes on from here, up --fresh starts anew.")
	}
	file, current, err := s.unmergeKubeconfig(ctx)
	if err != nil {
		return fmt.Errorf("take the context %q out again: %w", ContextName, err)
	}
	if file != "" {
		if current == "" {
			current = "none"
		}
		_, _ = fmt.Fprintf(out, "Context %q is gone from %s; current: %s.\n", ContextName, file, current)
	}
	return nil
}

// stop ends the supervisor, which ends the components: politely, then not.
func (s State) stop(ctx context.Context) error {
	for _, end := range []func(int){terminate, kill} {
		pid, err := s.supervisorPID()
		if err != nil || pid == 0 {
			return err
		}
		end(pid)
		wait, cancel := context.WithTimeout(ctx, stopTimeout)
		l, err := waitLock(wait, s.File("run.lock"), nil)
		cancel()
		if l != nil {
			l.release()
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return fmt.Errorf("the supervisor does not end; see %s", s.Log("supervisor"))
}

// Status is what `status` shows.
type Status struct {
	Running    bool              `json:"running"`
	Ready      bool              `json:"ready"`
	Config     Config            `json:"config"`
	State      string            `json:"state"`
	Components []ComponentStatus `json:"components"`
}

// Stat tells how the cluster is. It changes nothing.
func Stat(ctx context.Context, s State) (Status, error) {
	st := Status{State: s.Dir}
	pid, err := s.supervisorPID()
	if err != nil || pid == 0 {
		return st, err
	}
	st.Running = true
	if st.Config, err = s.LoadConfig(); err != nil {
		return st, err
	}
	if err := readJSON(s.File("components.json"), &st.Components); err != nil {
		return st, err
	}
	st.Components = append([]ComponentStatus{{Name: "supervisor", PID: pid}}, st.Components...)
	for i := range st.Components {
		st.Components[i].Memory = memory(st.Components[i].PID)
	}
	admin, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(Admin))
	if err != nil {
		return st, err
	}
	admin.Timeout = 2 * time.Second
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return st, err
	}
	_, err = client.CoreV1().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	st.Ready = err == nil
	return st, nil
}

// memory is a process's proportional set size in KiB, 0 where the system does not tell.
func memory(pid int) int {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), "\nPss:")
	kib, err := strconv.Atoi(strings.Fields(rest + " ?")[0])
	if err != nil {
		return 0
	}
	return kib
}
