output "service" {
  description = "The service's name, for gcloud."
  value       = google_cloud_run_v2_service.tai.name
}

output "uri" {
  description = "Where the service answers."
  value       = google_cloud_run_v2_service.tai.uri
}

output "latest_ready_revision" {
  description = "The revision that is the last to have become ready."
  value       = google_cloud_run_v2_service.tai.latest_ready_revision
}
