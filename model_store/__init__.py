"""What the model is: bundle, preprocessing, engines and prediction. Knows neither Flask nor training."""
