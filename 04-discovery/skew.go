package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
	clientgoversion "k8s.io/client-go/pkg/version"
)

// skew compares the server's version with the client-go in this program.
func skew(ctx context.Context, client discovery.DiscoveryInterfaceWithContext, _ []string, out io.Writer) error {
	fmt.Fprintln(out, "-- this program and this server")
	mine, err := thisClientGo(out)
	if err != nil {
		return err
	}
	server, err := serverMinor(ctx, client, out)
	if err != nil {
		return err
	}
	sign, promise := clientGoVerdict(mine, server)
	fmt.Fprintf(out, "%s %s\n", sign, promise)

	fmt.Fprintln(out, "-- a client-go for every Kubernetes")
	for _, minor := range []uint{4, 5, 7, 8, 15, 16, 17, server} {
		fmt.Fprintf(out, "Kubernetes 1.%-3d client-go %s\n", minor, strings.Join(tagsFor(minor), " or "))
	}

	fmt.Fprintf(out, "-- what the skew policy supports with a server 1.%d\n", server)
	for _, rule := range skewPolicy() {
		fmt.Fprintf(out, "%-24s 1.%d to 1.%d\n", rule.component, server-rule.older, server+rule.newer)
	}
	return nil
}

// thisClientGo prints the version of client-go in this program, and returns the Kubernetes minor that it is made for.
func thisClientGo(out io.Writer) (uint, error) {
	build, ok := debug.ReadBuildInfo() // go build, go run and go test all write it
	if !ok {
		return 0, errors.New("this program has no build information: it was not built by the go command with modules")
	}
	found, err := moduleVersion(build, "k8s.io/client-go")
	if err != nil {
		return 0, err
	}
	minor, err := madeFor(found)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "client-go %s, made for Kubernetes 1.%d\n", found, minor)
	fmt.Fprintf(out, "client-go/pkg/version says %s: nobody sets it in your build\n", clientgoversion.Get().GitVersion)
	return minor, nil
}

// moduleVersion looks a module up in the build information.
func moduleVersion(build *debug.BuildInfo, path string) (string, error) {
	for _, module := range build.Deps {
		if module.Path != path {
			continue
		}
		if module.Replace != nil { // "replace" in go.mod: this is what was built
			module = module.Replace
		}
		return cmp.Or(module.Version, "(devel)"), nil // a directory has no version
	}
	return "", fmt.Errorf("no module %s in this program (%d modules): it was not built by the go command with modules", path, len(build.Deps))
}

// madeFor returns the minor of the Kubernetes 1.x that a version of client-go is made for.
func madeFor(clientGo string) (uint, error) {
	v, err := version.ParseSemantic(strings.TrimPrefix(clientGo, "kubernetes-"))
	switch {
	case err != nil: // "(devel)"
		return 0, fmt.Errorf("client-go %q is not a release: look into its directory", clientGo)
	case strings.HasPrefix(clientGo, "kubernetes-"):
		return v.Minor(), nil // a tag: kubernetes-1.16.3
	case v.Major() == 0 && v.Minor() == 0:
		return 0, fmt.Errorf("client-go %q is a commit without a release: look up its tag kubernetes-1.x.y", clientGo)
	case v.Major() == 0:
		return v.Minor(), nil // v0.37.2
	case v.Major() == 1:
		return v.Minor(), nil // v1.4.0, v1.5.2
	}
	return v.Major() + 3, nil // v2.0.0 to v12.0.0
}

// tagsFor returns the tags of client-go that are made for Kubernetes 1.minor, the recommended one first.
func tagsFor(minor uint) []string {
	switch {
	case minor >= 17:
		return []string{fmt.Sprintf("v0.%d.y", minor), fmt.Sprintf("kubernetes-1.%d.y", minor)}
	case minor == 16:
		return []string{"kubernetes-1.16.y", "v0.16.y"} // the latter for its last patches alone
	case minor >= 8:
		return []string{fmt.Sprintf("kubernetes-1.%d.y", minor), fmt.Sprintf("v%d.0.y", minor-3)}
	case minor == 5:
		return []string{"v2.0.y", "v1.5.y"}
	case minor > 5:
		return []string{fmt.Sprintf("v%d.0.y", minor-3)}
	case minor == 4:
		return []string{"v1.4.y"}
	}
	return []string{"none"}
}

// serverMinor prints the server's version and returns its minor.
func serverMinor(ctx context.Context, client discovery.ServerVersionInterfaceWithContext, out io.Writer) (uint, error) {
	info, err := client.ServerVersionWithContext(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask the server for its version: %w", err)
	}
	// Not info.Minor: some providers write "37+" there, and a conversion to a number fails on their clusters only.
	v, err := version.ParseGeneric(info.GitVersion) // "v1.37.2", "v1.37.3-eks-a5565ad"
	if err != nil {
		return 0, fmt.Errorf("read the server's version %q: %w", info.GitVersion, err)
	}
	fmt.Fprintf(out, "server    %s\n", info.GitVersion)
	return v.Minor(), nil
}

// clientGoVerdict says what client-go's README promises for a program made for Kubernetes 1.client and a server 1.server.
// In its compatibility matrix every pair of different versions is marked "+-".
func clientGoVerdict(client, server uint) (sign, promise string) {
	switch {
	case client == server:
		return "✓", "exactly the same API on both sides"
	case client > server:
		return "+-", fmt.Sprintf("what both have works; client-go is %d newer: it may ask for what the server does not have yet", client-server)
	}
	return "+-", fmt.Sprintf("what both have works; client-go is %d older: it does not see what the server has new, or asks for what it no longer has", server-client)
}

// skewRule is a row of https://kubernetes.io/releases/version-skew-policy/: how many minors a component may differ from the API server.
type skewRule struct {
	component    string
	older, newer uint
}

// skewPolicy lists what may talk to an API server. A program with client-go is not in it: clientGoVerdict has its rule.
func skewPolicy() []skewRule {
	return []skewRule{
		{component: "another kube-apiserver", older: 1, newer: 1}, // and never three versions at once
		{component: "kube-controller-manager", older: 1},
		{component: "kube-scheduler", older: 1},
		{component: "cloud-controller-manager", older: 1},
		{component: "kubelet", older: 3},    // before 1.25: 2
		{component: "kube-proxy", older: 3}, // before 1.25: 2
		{component: "kubectl", older: 1, newer: 1},
	}
}

// supported says whether the policy supports a component 1.component with API servers 1.oldest to 1.newest: while a
// cluster with several is upgraded, there are two, and both rules have to hold.
func (r skewRule) supported(component, oldest, newest uint) bool {
	older := r.older
	if (r.component == "kubelet" || r.component == "kube-proxy") && component < 25 {
		older = 2
	}
	return newest-oldest <= 1 && component+older >= newest && component <= oldest+r.newer
}
