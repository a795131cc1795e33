# nomad job run conf/nomad/job.hcl
job "portmap-example" {
  group "web" {
    count = 2

    # The plugin's version, as Nomad found it. Limits that hold both ways, say, need one that has them.
    constraint {
      attribute = "${attr.plugins.cni.version.cni-portmap-isolate}"
      operator  = "semver"
      value     = ">= 0.1.0"
    }

    network {
      mode = "cni/portmap-isolate"

      # One of min_dynamic_port to max_dynamic_port of the node's. There is one port space, so no "to": the program listens on the port it is told.
      port "http" {}

      # A port of one's own choice must lie in the conflist's "ports", and one allocation of a node can have it.
      # port "admin" {
      #   static = 31005
      # }
    }

    service {
      name     = "portmap-example"
      provider = "nomad"
      port     = "http"
    }

    task "web" {
      driver = "docker"

      config {
        image   = "docker.io/library/busybox:1.36"
        command = "httpd"
        args    = ["-f", "-p", "${NOMAD_PORT_http}"]
      }

      resources {
        cpu    = 100
        memory = 32
      }
    }
  }
}
