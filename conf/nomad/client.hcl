# /etc/nomad.d/portmap-isolate.hcl: Nomad merges it with its other files.
client {
  enabled = true

  # portmap-isolate.conflist goes to the second, the plugin to the first. Nomad starts every program in cni_path once without arguments, to ask
  # for versions: do not put the exporter there.
  cni_path       = "/opt/cni/bin"
  cni_config_dir = "/opt/cni/config"

  # Ports that Nomad gives out by itself: "ports" of the conflist. Nomad's default, 20000 to 32000, would cut into the pool.
  min_dynamic_port = 30000
  max_dynamic_port = 32000

  # As many allocations as the pool has slices: 13 in 16384-29695 and 4 in 61440-65535. Nomad 1.10.2 or newer; it counts all allocations, those on other networks, too.
  node_max_allocs = 17

  reserved {
    # Ports that Nomad must give to nobody, static ones included: the pool ("ephemeralPorts").
    reserved_ports = "16384-29695,61440-65535"
  }

  # For constraints of jobs; Nomad itself knows nodes with the network by its name.
  meta {
    portmap_slices = "17"
  }
}
