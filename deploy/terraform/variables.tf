variable "project_id" {
  description = "The Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is the id of a project: 6 to 30 small letters, digits and hyphens, not its name or number."
  }
}

variable "region" {
  description = "The region that the service runs in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is the name of a region, such as europe-west1, and not of a zone."
  }
}

variable "service_name" {
  description = "The service's name."
  type        = string
  default     = "tai-autonomics"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$", var.service_name))
    error_message = "service_name is at most 49 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "service_account" {
  description = "The e-mail address of the account that the service runs as. It is given the right to read the secrets."
  type        = string

  validation {
    condition     = can(regex("^[^@]+@[^@]+[.]gserviceaccount[.]com$", var.service_account))
    error_message = "service_account is the e-mail address of a service account."
  }
}

variable "image" {
  description = "The image of the service itself."
  type        = string
}

variable "beamwarden_image" {
  description = "The image of the sidecar, built with this project's Dockerfile."
  type        = string
}

variable "prometheus_image" {
  description = "Google's sidecar of its managed Prometheus."
  type        = string
  default     = "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0"
}

variable "ingress" {
  description = "Who reaches the service at all."
  type        = string
  default     = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"

  validation {
    condition = contains([
      "INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    ], var.ingress)
    error_message = "ingress is INGRESS_TRAFFIC_ALL, INGRESS_TRAFFIC_INTERNAL_ONLY or INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER."
  }
}

variable "min_instances" {
  description = "How many instances there always are."
  type        = number
  default     = 1

  validation {
    condition     = var.min_instances >= 0 && floor(var.min_instances) == var.min_instances
    error_message = "min_instances is a whole number, 0 or more."
  }
}

variable "max_instances" {
  description = "How many instances there may be."
  type        = number
  default     = 100

  validation {
    condition     = var.max_instances >= 1 && floor(var.max_instances) == var.max_instances
    error_message = "max_instances is a whole number, 1 or more."
  }
}

variable "environment" {
  description = "Variables of the service itself."
  type        = map(string)
  default     = {}
}

variable "service_cpu" {
  description = "The service's limit of processors."
  type        = string
  default     = "1"
}

variable "service_memory_mib" {
  description = "The service's memory limit in MiB. The sidecar is told it."
  type        = number
  default     = 1024

  validation {
    condition     = var.service_memory_mib >= 128 && floor(var.service_memory_mib) == var.service_memory_mib
    error_message = "service_memory_mib is a whole number of MiB, 128 or more."
  }
}

variable "beamwarden_cpu" {
  description = "The sidecar's limit of processors."
  type        = string
  default     = "250m"
}

variable "beamwarden_memory_mib" {
  description = "The sidecar's memory limit in MiB: more than memory_ceiling_bytes, 192, and the journal's 32 together."
  type        = number
  default     = 256

  validation {
    condition     = var.beamwarden_memory_mib > 224 && floor(var.beamwarden_memory_mib) == var.beamwarden_memory_mib
    error_message = "beamwarden_memory_mib is a whole number of MiB, more than 224."
  }
}

variable "node" {
  description = "The node, as its own -name says."
  type        = string
  default     = "tai_autonomics@127.0.0.1"

  validation {
    condition     = can(regex("^[^@]+@[^@]+$", var.node))
    error_message = "node is name@host, or name@host:port where no epmd runs."
  }
}

variable "expected_supervisors" {
  description = "Registered names of supervisors that must run for /health to be ok."
  type        = list(string)
  default     = ["tai_autonomics_sup", "governance_sup", "receipt_ledger_sup", "cluster_sup", "observability_sup"]
}

variable "watch_tables" {
  description = "ETS tables that are always shown."
  type        = list(string)
  default     = ["receipt_ledger", "tai_receipts_store", "tai_receipts_dedup", "tai_receipts_chain", "ggen_receipts"]
}

variable "beamwarden_environment" {
  description = "More variables of the sidecar, each of which begins with BEAMWARDEN_."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.beamwarden_environment) : startswith(name, "BEAMWARDEN_")])
    error_message = "Every name in beamwarden_environment begins with BEAMWARDEN_."
  }
}

variable "cookie_secret" {
  description = "The secret that holds the cookie, in Secret Manager of the same project."
  type        = string
  default     = "erlang-cookie"
}

variable "tokens_secret" {
  description = "The secret that holds the file of tokens."
  type        = string
  default     = "beamwarden-tokens"
}

variable "run_monitoring_secret" {
  description = "The secret that is made for what the managed Prometheus scrapes."
  type        = string
  default     = "run-monitoring"
}
