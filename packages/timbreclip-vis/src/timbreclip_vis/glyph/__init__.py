"""Pictures without a picture model: shapes and colours that people match with sounds."""
