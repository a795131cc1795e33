// cnidrive attaches a container to a network as a runtime does, by libcni.
//
//	cnidrive add|check|del|cached NETWORK NETNS ID IFNAME
//	cnidrive validate NETWORK
//
// From the environment: CONF_DIR, where the network's .conflist is; CNI_PATH, where plugins are; CACHE_DIR, where results are kept;
// CAPABILITIES, a JSON object of capability arguments; ARGS, CNI_ARGS as `K=V;K=V`. NETNS may be empty.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containernetworking/cni/libcni"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) != 5 && !(len(words) == 2 && words[0] == "validate") {
		return errors.New("usage: cnidrive add|check|del|cached NETWORK NETNS ID IFNAME, or cnidrive validate NETWORK")
	}

	network, err := libcni.LoadConfList(os.Getenv("CONF_DIR"), words[1])
	if err != nil {
		return err
	}

	// A runtime's own limit; a plugin that hangs is killed.
	limit, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cni := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(os.Getenv("CNI_PATH")), os.Getenv("CACHE_DIR"), nil)
	if words[0] == "validate" {
		capabilities, err := cni.ValidateNetworkList(limit, network)
		fmt.Println(strings.Join(capabilities, " "))
		return err
	}

	container := &libcni.RuntimeConf{NetNS: words[2], ContainerID: words[3], IfName: words[4]}
	if text := os.Getenv("CAPABILITIES"); text != "" {
		if err := json.Unmarshal([]byte(text), &container.CapabilityArgs); err != nil {
			return err
		}
	}
	for _, pair := range strings.Split(os.Getenv("ARGS"), ";") {
		if name, value, found := strings.Cut(pair, "="); found {
			container.Args = append(container.Args, [2]string{name, value})
		}
	}

	switch words[0] {
	case "add":
		result, err := cni.AddNetworkList(limit, network, container)
		if err != nil {
			return err
		}
		return result.Print()
	case "check":
		return cni.CheckNetworkList(limit, network, container)
	case "del":
		return cni.DelNetworkList(limit, network, container)
	case "cached":
		result, err := cni.GetNetworkListCachedResult(network, container)
		if err != nil || result == nil {
			return err
		}
		return result.Print()
	default:
		return fmt.Errorf("unknown command %q", words[0])
	}
}
