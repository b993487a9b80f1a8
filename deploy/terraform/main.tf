# The service with Beamwarden and Google's managed Prometheus beside it: what ../cloudrun/service.yaml says, with the reasons
# there.

locals {
  beamwarden_environment = merge({
    BEAMWARDEN_NODE                       = var.node
    BEAMWARDEN_COOKIE_FILE                = "/secrets/cookie/erlang-cookie"
    BEAMWARDEN_TOKENS_FILE                = "/secrets/tokens/tokens"
    BEAMWARDEN_EXPECTED_SUPERVISORS       = join(",", var.expected_supervisors)
    BEAMWARDEN_WATCH_TABLES               = join(",", var.watch_tables)
    BEAMWARDEN_SERVICE_URL                = "http://127.0.0.1:8080"
    BEAMWARDEN_SERVICE_MEMORY_LIMIT_BYTES = tostring(var.service_memory_mib * 1048576)
    BEAMWARDEN_JOURNAL                    = "/var/lib/beamwarden/journal.db"
  }, var.beamwarden_environment)
}

resource "google_secret_manager_secret" "run_monitoring" {
  project   = var.project_id
  secret_id = var.run_monitoring_secret

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "run_monitoring" {
  secret      = google_secret_manager_secret.run_monitoring.id
  secret_data = file("${path.module}/../cloudrun/run-monitoring.yaml")
}

# Cloud Run looks whether the account may read them before it takes a revision.
resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = toset([var.cookie_secret, var.tokens_secret, var.run_monitoring_secret])

  project   = var.project_id
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${var.service_account}"

  depends_on = [google_secret_manager_secret.run_monitoring]
}

resource "google_project_iam_member" "metric_writer" {
  project = var.project_id
  role    = "roles/monitoring.metricWriter"
  member  = "serviceAccount:${var.service_account}"
}

resource "google_cloud_run_v2_service" "tai" {
  project  = var.project_id
  location = var.region
  name     = var.service_name
  ingress  = var.ingress

  template {
    service_account       = var.service_account
    execution_environment = "EXECUTION_ENVIRONMENT_GEN2"

    scaling {
      min_instance_count = var.min_instances
      max_instance_count = var.max_instances
    }

    containers {
      name  = "tai"
      image = var.image

      ports {
        name           = "http1"
        container_port = 8080
      }

      dynamic "env" {
        for_each = var.environment

        content {
          name  = env.key
          value = env.value
        }
      }

      resources {
        cpu_idle = false

        limits = {
          cpu    = var.service_cpu
          memory = "${var.service_memory_mib}Mi"
        }
      }

      startup_probe {
        period_seconds    = 5
        timeout_seconds   = 3
        failure_threshold = 24

        http_get {
          path = "/health"
          port = 8080
        }
      }
    }

    containers {
      name  = "beamwarden"
      image = var.beamwarden_image

      dynamic "env" {
        for_each = local.beamwarden_environment

        content {
          name  = env.key
          value = env.value
        }
      }

      resources {
        cpu_idle = false

        limits = {
          cpu    = var.beamwarden_cpu
          memory = "${var.beamwarden_memory_mib}Mi"
        }
      }

      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 1
        failure_threshold = 60

        http_get {
          path = "/livez"
          port = 9750
        }
      }

      volume_mounts {
        name       = "erlang-cookie"
        mount_path = "/secrets/cookie"
      }

      volume_mounts {
        name       = "beamwarden-tokens"
        mount_path = "/secrets/tokens"
      }

      volume_mounts {
        name       = "journal"
        mount_path = "/var/lib/beamwarden"
      }
    }

    containers {
      name       = "prometheus"
      image      = var.prometheus_image
      depends_on = ["beamwarden"]

      resources {
        cpu_idle = false

        limits = {
          cpu    = "500m"
          memory = "512Mi"
        }
      }

      volume_mounts {
        name       = "run-monitoring"
        mount_path = "/etc/rungmp"
      }
    }

    volumes {
      name = "erlang-cookie"

      secret {
        secret       = var.cookie_secret
        default_mode = 292 # 0444

        items {
          version = "latest"
          path    = "erlang-cookie"
        }
      }
    }

    volumes {
      name = "beamwarden-tokens"

      secret {
        secret       = var.tokens_secret
        default_mode = 292

        items {
          version = "latest"
          path    = "tokens"
        }
      }
    }

    volumes {
      name = "run-monitoring"

      secret {
        secret = google_secret_manager_secret.run_monitoring.secret_id

        items {
          version = "latest"
          path    = "config.yaml"
        }
      }
    }

    volumes {
      name = "journal"

      empty_dir {
        medium     = "MEMORY"
        size_limit = "32Mi"
      }
    }
  }

  depends_on = [
    google_secret_manager_secret_iam_member.reader,
    google_secret_manager_secret_version.run_monitoring,
  ]
}
