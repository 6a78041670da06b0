// Package bridge is the sync bridge as a library: it reads one file, opens the
// registries in it, watches them into one catalog, and runs the loop of every
// rule on it.
//
//	Parse -> Config -> Open -> Bridge.Run or Bridge.Plan -> Bridge.Close
//
// The file, in the grammar that the DNS server's block has, too:
//
//	bridge OWNER {
//	    kubernetes prod                    # registries, in order of precedence
//	    consul dc1 http://127.0.0.1:8500
//	    etcd edge http://127.0.0.1:2379 {
//	        zone cluster.local
//	    }
//	    mirror kubernetes/prod consul/dc1 {
//	        namespaces * !kube-system      # of the originals; default * !kube-*
//	        namespace consul               # the mirrors', a template as name is
//	        name {service}-{namespace}
//	        labels app in (web, db)
//	        default off                    # only those that ask for it; on
//	        annotated_names off            # on, or beginnings of names
//	        address auto                   # endpoints, clusterip, nodeport, loadbalancer, external
//	        delete_limit 10 20%            # the greater of the two goes without asking
//	        delete_hold 5m                 # or never
//	    }
//	    mirror consul/dc1 kubernetes/prod {
//	        namespace consul
//	        create_namespace               # else it has to exist
//	        from other                     # the mirrors of that bridge, too
//	        service clusterip              # or headless
//	        names web* !*-test             # of the originals; namespaces, too
//	        tags v1 !canary                # of the instances
//	        only_passing                   # a check that warns is not ready
//	    }
//	    lead kubernetes isthmus/bridge     # a Lease; or etcd KEY, or none
//	    metrics 127.0.0.1:9154             # /healthz /readyz /metrics
//	    admin 127.0.0.1:8053               # /status /plan /approve
//	}
//
// A registry that no rule writes to is opened for reading only.
package bridge
